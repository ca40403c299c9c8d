"""Whether the database can take more: looked at now and then, and at once when a write fails for want of it.

While it cannot, no new turn is taken, for its answer could not be kept; those that run may end, for which some room is
left (`storage.min_free_bytes`). It is found out by itself when there is room again. A database in which something makes
no sense takes no more until it was repaired. What refuses the turns is `thane.conversations.tracker`, which asks
`refusal`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import structlog
import trio

from thane.config import settings
from thane.errors import DependencyError
from thane.events.event import Publisher
from thane.storage.connection import is_full
from thane.storage.database import Database
from thane.storage.file_size import give_back, trial_delete, trial_insert

_STEP_BYTES = 1_048_576  # given back in one transaction
_AGAIN = 1.125  # of `min_free_bytes` has to be free before turns are taken again, so that it does not change every look

_log = structlog.get_logger("thane.storage")


class Told(Protocol):
    """Who is told of each look."""

    def __call__(self, *, ready: bool, error: str) -> None: ...


class Room:
    """Made once for a database; `run` is a branch of the task tree."""

    def __init__(
        self, database: Database, path: Path, limits: settings.Storage, *, events: Publisher, told: Told | None = None
    ) -> None:
        self._database = database
        self._folder = path.parent
        self._log = path.with_name(f"{path.name}-wal")
        self._limits = limits
        self._events = events
        self._told = told
        self._refusal = ""
        self._damaged = ""  # what was said of something that made no sense
        self._failed = ""  # what the last write said that could not be done
        self._woken = trio.Event()
        database.tell_of_failure(self._note)

    @property
    def refusal(self) -> str:
        """Why nothing new is taken, in a sentence that says what to do; "" as long as it is."""
        return self._refusal

    async def run(self) -> None:
        """Look every `storage.room_seconds`, and when a write has failed, until cancelled."""
        while True:
            await self.look()
            self._woken = trio.Event()
            with trio.move_on_after(self._limits.room_seconds):
                await self._woken.wait()

    async def look(self) -> None:
        """Find out how it is now."""
        if self._damaged:
            self._set(self._damaged, None)
            return
        least = self._limits.min_free_bytes * (_AGAIN if self._refusal else 1)
        free = await self._free()
        if free is not None and free < least:
            free = await self._give_back(free)
        if free is not None and free < least:
            limit = f"storage.min_free_bytes is {_size(self._limits.min_free_bytes)}"
            self._set(
                f"The disk of {self._folder} has only {_size(free)} left ({limit}), so what is said could not be kept. "
                "Free some room there; Thane then goes on by itself.",
                free,
            )
            return
        if self._failed:
            try:
                await self._database.write(trial_insert)
                await self._database.write(trial_delete)
            except DependencyError as error:
                self._set(self._what_to_do(error), free)
                return
        self._failed = ""
        self._set("", free)

    async def _free(self) -> int | None:
        return await trio.to_thread.run_sync(_free_bytes, self._folder)

    async def _give_back(self, free: int) -> int | None:
        """Give the disk what the database and its log do not need, such as after much was deleted; what is free then.

        A little at a time: what is cut off is written to the log first, and the log to the file.
        """
        left: int | None = free
        gone = 1
        while gone and left is not None:
            if left > await trio.to_thread.run_sync(_size_of, self._log):  # by which the file may grow
                await self._database.settle()
            try:
                gone = await self._database.write(lambda connection: give_back(connection, 0, _STEP_BYTES))
            except DependencyError:
                gone = 0
            left = await self._free()
        return left

    def _note(self, error: DependencyError) -> None:
        """A write has failed because of the disk, or there is damage. Called by the database; never blocks."""
        if self._failed or self._damaged:
            return
        if not error.temporary:
            self._damaged = error.message
            self._set(error.message, None)
            return
        self._failed = error.message
        self._set(self._what_to_do(error), None)
        self._woken.set()

    def _what_to_do(self, error: DependencyError) -> str:
        what = "Free some room" if is_full(error) else "See to the disk"
        return f"{error.message} {what} ({self._folder}); Thane then goes on by itself."

    def _set(self, refusal: str, free: int | None) -> None:
        before, self._refusal = self._refusal, refusal
        if self._told is not None:
            self._told(ready=not refusal, error=refusal)
        if refusal and not before:
            _log.error("no more turns are taken: what is said could not be kept", reason=refusal)
            self._events.publish("health", "storage_full", reason=refusal, free_bytes=free)
        elif before and not refusal:
            _log.info("there is room again: turns are taken", free_bytes=free)
            self._events.publish("health", "storage_ready", free_bytes=free)


def _free_bytes(folder: Path) -> int | None:
    """What an ordinary user may still fill; None where the system does not tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
