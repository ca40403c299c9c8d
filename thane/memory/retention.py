"""Keeps runs, prompts and the archive within their limits: what is too old or too much is deleted, a few at a time.

A branch of the task tree, under its supervisor. Each look ends with events when anything went. How sessions go is
`thane.memory.archive_retention`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec
import trio

from thane.clock import Clock
from thane.config import settings
from thane.events.event import Publisher
from thane.memory.archive_retention import DAY, ArchiveRetention, ArchiveSwept
from thane.storage import prompt_rows, run_rows
from thane.storage.database import Database

_UNUSED_ROWS = 2000  # pieces swept in one transaction: about 10 ms


class Swept(msgspec.Struct, frozen=True):
    """What one look has deleted. `kept_bytes` is what all prompts still take."""

    runs: int = 0
    prompts: int = 0
    pieces: int = 0
    kept_bytes: int = 0


class RetentionStatistics(msgspec.Struct, frozen=True):
    """Since the start: `looks`, and what they deleted. `last_at` is epoch seconds, None before the first; the sizes of
    the database are from then."""

    looks: int = 0
    last_at: float | None = None
    sessions: int = 0
    messages: int = 0
    runs: int = 0
    prompts: int = 0
    freed_bytes: int = 0
    used_bytes: int = 0
    file_bytes: int = 0


class Retention:
    """Made once; `run` is the branch."""

    def __init__(
        self,
        database: Database,
        limits: settings.Runs,
        events: Publisher,
        clock: Clock,
        archive: ArchiveRetention | None = None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._events = events
        self._clock = clock
        self._archive = archive
        self._statistics = RetentionStatistics()

    def statistics(self) -> RetentionStatistics:
        return self._statistics

    async def run(self) -> None:
        """Look at once, then every `runs.sweep_seconds`, until cancelled."""
        while True:
            await self.look()
            await trio.sleep(self._limits.sweep_seconds)

    async def look(self) -> None:
        """Delete what is to go, and tell of it."""
        swept = await self.sweep()
        if swept.runs or swept.prompts or swept.pieces:
            self._events.publish("system", "runs_swept", **msgspec.structs.asdict(swept))
        more = ArchiveSwept() if self._archive is None else await self._archive.sweep()
        if more.is_worth_telling:
            self._events.publish("system", "archive_swept", **msgspec.structs.asdict(more))
        before = self._statistics
        self._statistics = RetentionStatistics(
            looks=before.looks + 1,
            last_at=self._clock.time(),
            sessions=before.sessions + more.sessions,
            messages=before.messages + more.messages,
            runs=before.runs + swept.runs + more.runs,
            prompts=before.prompts + swept.prompts + more.prompts,
            freed_bytes=before.freed_bytes + more.freed_bytes,
            used_bytes=more.used_bytes,
            file_bytes=more.file_bytes,
        )

    async def sweep(self) -> Swept:
        """Delete old runs, old prompts, the oldest prompts beyond the size, then the text that nobody needs."""
        now, limits = self._clock.time(), self._limits
        runs = prompts = pieces = 0
        if limits.run_days:
            runs = await self._until_done(run_rows.delete_runs_before, now - limits.run_days * DAY)
        if limits.prompt_days:
            prompts = await self._until_done(prompt_rows.delete_prompts_before, now - limits.prompt_days * DAY)
        pieces += await self._sweep_unused()
        size = await self._database.read(prompt_rows.stored_bytes)
        while limits.prompt_bytes and size > limits.prompt_bytes:
            gone = await self._some(prompt_rows.delete_prompts_before, now)
            if not gone:
                break
            prompts += gone
            pieces += await self._sweep_unused()
            size = await self._database.read(prompt_rows.stored_bytes)
        return Swept(runs, prompts, pieces, size)

    async def _until_done(self, delete: Callable[[sqlite3.Connection, float, int], int], before: float) -> int:
        """Delete until nothing is left to delete, one transaction after the other; turns get in between."""
        total = 0
        while gone := await self._some(delete, before):
            total += gone
        return total

    async def _some(self, delete: Callable[[sqlite3.Connection, float, int], int], before: float) -> int:
        return await self._database.write(lambda connection: delete(connection, before, self._limits.sweep_rows))

    async def _sweep_unused(self) -> int:
        total = 0
        while True:
            pieces, more = await self._database.write(lambda c: prompt_rows.sweep_unused(c, _UNUSED_ROWS))
            total += pieces
            if not more:
                return total
