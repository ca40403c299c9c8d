"""One Thane for each database: a lock file beside it, which also remembers whether the last end was clean.

The lock is an advisory `flock`, which the kernel releases however the process ends. The file holds the process id while
the database is open and is emptied by a clean close; it is never deleted, as another process may be about to lock
it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from thane.errors import ConfigurationError


class DatabaseLock:
    """Made by `take_lock`. `was_clean` is false when the holder before us did not get to close the database."""

    def __init__(self, descriptor: int, *, was_clean: bool) -> None:
        self._descriptor = descriptor
        self.was_clean = was_clean

    def release(self, *, clean: bool) -> None:
        """Let others open the database. Unless `clean`, the next one will check it."""
        if clean:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def take_lock(database: Path) -> DatabaseLock:
    """Lock `<database>.lock` without waiting. Raises ConfigurationError when another process has it. Blocks on disk."""
    path = database.with_name(database.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        was_clean = os.fstat(descriptor).st_size == 0
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, 1)  # takes no room, so that an unclean end is seen after a full disk too
        with contextlib.suppress(OSError):  # the number is only for people
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip("\0\n") or "unknown"
        os.close(descriptor)
        message = (
            f"the database {database} is in use by another Thane (process {holder}): "
            "stop that one, or give this one another `data_dir`"
        )
        raise ConfigurationError(message) from None
    except BaseException:
        os.close(descriptor)
        raise
    return DatabaseLock(descriptor, was_clean=was_clean)
