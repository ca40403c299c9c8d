"""Putting another database in the place of the one that is there, so that a kill at any moment leaves one of the two.

The file and its log cannot be replaced in one step, and an old log beside a new file would ruin it. So the new file
first gets a name that says that it is whole and wanted; whoever opens the database after a kill does the rest. The old
one is kept under another name. All functions here block on disk and need the lock of the database.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SIDE_FILES = ("-wal", "-shm")
IN_THE_MAKING = ("part", "reading")
"""Ends of the names of files that a restore or a repair works on, which mean nothing once it was killed."""


def swap(database: Path, new: Path, *, kept_as: str) -> Path | None:
    """Put the file `new`, which has no log, in the database's place. Where the old one is then; None without one.

    It is kept beside it, with `kept_as` at the end of its name, and a number where there is one of that name.
    """
    aside, number = database.with_name(f"{database.name}.{kept_as}"), 1
    while aside.exists():
        number += 1
        aside = database.with_name(f"{database.name}.{kept_as}-{number}")
    _sync(new)
    was_there = database.exists()
    if was_there:
        for side in ("", "-wal"):
            _keep(database.with_name(database.name + side), aside.with_name(aside.name + side))
    new.rename(_wanted(database))
    finish(database)
    return aside if was_there else None


def finish(database: Path) -> bool:
    """Finish a swap that was cut off by a kill, and delete what was in the making. Whether there was a swap."""
    for name in IN_THE_MAKING:
        for side in ("", *SIDE_FILES):
            database.with_name(f"{database.name}.{name}{side}").unlink(missing_ok=True)
    wanted = _wanted(database)
    if not wanted.exists():
        return False
    for side in SIDE_FILES:
        database.with_name(database.name + side).unlink(missing_ok=True)
    wanted.rename(database)
    return True


def _wanted(database: Path) -> Path:
    return database.with_name(f"{database.name}.new")


def _keep(file: Path, there: Path) -> None:
    """Give the file a second name, or where the file system cannot do that, copy it."""
    if not file.exists():
        return
    try:
        os.link(file, there)
    except OSError:
        os.close(os.open(there, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        shutil.copyfile(file, there)


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
