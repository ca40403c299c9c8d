"""Keeps log lines: in the database, where they are found by what they belong to, and in files.

Lines are written in batches by one task. What cannot be written is counted, never waited for. A line is looked for
with `newest`; nothing else reads them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from thane.clock import Clock
from thane.config import settings
from thane.errors import DependencyError
from thane.journal.files import LogFiles
from thane.journal.line import LEVELS, Lines, LogLine
from thane.storage import log_rows
from thane.storage.database import Database

_DAY = 86_400.0
_PRUNED_AT_ONCE = 2000  # lines: some 20 ms of the writer's time
_HOUR = 3600.0


class Wanted(msgspec.Struct, frozen=True):
    """Which lines: of at least this level; of this loop or one of these conversations; of this run; not of these
    subsystems; with an id below `before`, where it is not 0."""

    level: str = "trace"
    loop_id: str = ""
    conversation_ids: tuple[str, ...] = ()
    run_id: str = ""
    without: tuple[str, ...] = ()
    before: int = 0


class JournalStatistics(msgspec.Struct, frozen=True):
    """Since the start: lines that were taken, those dropped as the queue was full, stored in the database, lost to a
    failing disk (of the database or of the files), pruned. `waiting` are not yet written."""

    taken: int
    dropped: int
    waiting: int
    stored: int
    lost: int
    pruned: int


class Journal:
    """Made by `open_journal`."""

    def __init__(
        self, database: Database, lines: Lines, files: LogFiles | None, limits: settings.Logging, clock: Clock
    ) -> None:
        self._database = database
        self._lines = lines
        self._files = files
        self._limits = limits
        self._clock = clock
        self._indexed = LEVELS[limits.index_level]
        self._filed = LEVELS[limits.level]
        self._stored = self._lost = self._pruned = 0
        self._until_pruning = 0
        self._pruned_at = 0.0
        self._arrived = trio.Event()
        self._writing = trio.Lock()

    async def newest(self, wanted: Wanted, limit: int) -> tuple[LogLine, ...]:
        """The newest lines that are wanted, newest first. Raises DependencyError when the disk fails."""
        await self.write()
        find = partial(
            log_rows.newest,
            level=LEVELS[wanted.level],
            loop_id=wanted.loop_id,
            conversation_ids=wanted.conversation_ids,
            run_id=wanted.run_id,
            without=wanted.without,
            before=wanted.before,
            limit=limit,
        )
        return tuple(_read(row) for row in await self._database.read(find))

    def statistics(self) -> JournalStatistics:
        queue = self._lines.statistics()
        return JournalStatistics(
            taken=queue.taken,
            dropped=queue.dropped,
            waiting=queue.waiting,
            stored=self._stored,
            lost=self._lost,
            pruned=self._pruned,
        )

    async def run(self) -> None:
        """Write lines as they come, a batch at a time, until cancelled."""
        token = trio.lowlevel.current_trio_token()

        def wake() -> None:
            try:
                token.run_sync_soon(self._arrived.set)
            except trio.RunFinishedError:  # a thread that outlived the program
                return

        self._lines.wake_with(wake)
        try:
            while True:
                await self._arrived.wait()
                await trio.sleep(self._limits.flush_seconds)
                self._arrived = trio.Event()
                await self.round()
        finally:
            self._lines.wake_with(None)

    async def round(self) -> None:
        """Write what waits, and delete what is too old or too many, if it is time to look."""
        await self.write()
        await self._prune()

    async def write(self) -> None:
        """Write what waits, up to a deadline that cancelling does not bring forward: half a batch is no batch."""
        with trio.move_on_after(self._limits.write_seconds, shield=True):
            async with self._writing:
                await self._write()

    async def _write(self) -> None:
        lines = self._lines.drain()
        if not lines:
            return
        if self._files is not None and (filed := [line for line in lines if line.level >= self._filed]):
            write = partial(self._files.write, filed, self._clock.time())
            try:
                await trio.to_thread.run_sync(write)
            except OSError:
                self._lost += len(filed)  # not logged: the line would only be the next one to be lost
        rows = [_row(line) for line in lines if line.level >= self._indexed] if self._limits.index_rows else []
        if not rows:
            return
        try:
            await self._database.write(lambda connection: log_rows.add(connection, rows))
        except DependencyError:
            self._lost += len(rows)
        else:
            self._stored += len(rows)
            self._until_pruning -= len(rows)

    async def _prune(self) -> None:
        """Delete what is too old or too many: now and then, and a part at a time, since others wait for the disk."""
        now, limits = self._clock.time(), self._limits
        if self._until_pruning > 0 and now - self._pruned_at < _HOUR:
            return
        self._pruned_at, self._until_pruning = now, max(1000, limits.index_rows // 20)

        def delete(connection: sqlite3.Connection) -> int:
            return log_rows.prune(
                connection,
                chatter_before=now - limits.retention_days * _DAY,
                before=now - limits.index_days * _DAY,
                info=LEVELS["info"],
                keep=limits.index_rows,
                most=_PRUNED_AT_ONCE,
            )

        try:
            while deleted := await self._database.write(delete):
                self._pruned += deleted
        except DependencyError:
            return  # the next time


@asynccontextmanager
async def open_journal(
    database: Database, lines: Lines, limits: settings.Logging, clock: Clock
) -> AsyncGenerator[Journal]:
    """A journal for `run` to be run in the block; the last lines are written when it is left. Leave it before the
    database is closed."""
    journal = Journal(database, lines, _files(limits), limits, clock)
    try:
        yield journal
    finally:
        with trio.move_on_after(limits.write_seconds, shield=True):
            await journal.write()


def _files(limits: settings.Logging) -> LogFiles | None:
    return LogFiles(Path(limits.dir).expanduser(), limits) if limits.dir else None


def _row(line: LogLine) -> log_rows.Row:
    return tuple(getattr(line, column) for column in log_rows.COLUMNS)


def _read(row: Sequence[object]) -> LogLine:
    named = dict(zip(("id", *log_rows.COLUMNS), row, strict=True))
    return msgspec.convert(named, LogLine)
