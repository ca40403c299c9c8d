"""The database as the rest of Thane sees it: `write`, `post`, `later` and `read`, each given a function of a
connection.

It knows no table: those functions stand in the `*_rows` modules beside this one, the only places with SQL. Nothing
else in Thane opens the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
import trio

from thane.config import settings
from thane.errors import DependencyError
from thane.storage.backfill import Backfill, take_log_in
from thane.storage.connection import Operation, as_dependency, check_integrity, damaged, open_connection, prepare_file
from thane.storage.failures import Failures
from thane.storage.file_size import make_shrinkable
from thane.storage.indexes import mend_indexes
from thane.storage.lock import DatabaseLock, take_lock
from thane.storage.reader import Readers
from thane.storage.schema import migrate
from thane.storage.swap import finish
from thane.storage.writer import DatabaseStatistics, Writer

_log = structlog.get_logger("thane.storage")


@asynccontextmanager
async def open_database(path: Path, storage: settings.Storage) -> AsyncGenerator[Database]:
    """Open, check after an unclean end, migrate; on leaving, commit what was handed over and close.

    Raises ConfigurationError when the file is in use, newer, foreign or not writable, and DependencyError when it is
    damaged. Leaving waits at most `storage.close_timeout_seconds` for reads and as long for writes, under cancellation
    too.
    """
    lock, connection, reading = await trio.to_thread.run_sync(_open, path, storage)
    backfill = Backfill(partial(open_connection, path, storage))
    failures = Failures()
    writer = Writer(connection, storage.queue_writes, failures, backfill.soon)
    readers = Readers(reading, failures)
    closed = False
    try:
        yield Database(writer, readers, failures, partial(take_log_in, partial(open_connection, path, storage)))
    finally:
        with trio.move_on_after(2 * storage.close_timeout_seconds, shield=True):
            try:
                async with trio.open_nursery() as closing:
                    closing.start_soon(trio.to_thread.run_sync, backfill.close, storage.close_timeout_seconds)
                    await readers.close(storage.close_timeout_seconds)
                closed = await writer.close(storage.close_timeout_seconds)
            finally:
                lock.release(clean=closed and not failures.damaged)


class Database:
    """Made by `open_database`. For use from the trio thread; every function it is given runs in another one."""

    def __init__(self, writer: Writer, readers: Readers, failures: Failures, settle: Callable[[], None]) -> None:
        self._failures = failures
        self._settle = settle
        self._writer = writer
        self._readers = readers

    async def write[T](self, operation: Operation[T], *, hurried: bool = False) -> T:
        """Run `operation(connection)` in the writer's next transaction; return its result once that is committed.

        `hurried` is for what leaves alone whatever is handed over with `later`: it is not made to wait for it.

        Raises what the operation raises, and DependencyError when the disk or the queue is full. The operation may be
        run twice (when a neighbour in its transaction fails), so it must change nothing but the database. Cancelling
        gives up the waiting, not the write.
        """
        return await self._writer.write(operation, hurried=hurried)

    def post(self, operation: Operation[object]) -> None:
        """Write in the same order as `write`, without waiting: soon, or together with the next `write`.

        Never blocks or raises. A failure, or a full queue, is logged and counted in `statistics`.
        """
        self._writer.post(operation)

    def later(self, operation: Operation[object]) -> None:
        """As `post`, but after what is hurried: when there is time, within about a tenth of a second, and before the
        next `write` that is not hurried and before the next `read`. For what may be lost when the process is killed."""
        self._writer.later(operation)

    async def read[T](self, operation: Operation[T]) -> T:
        """Run `operation(connection)` on a snapshot of what is committed, what came by `later` included. Cancelling
        stops it.

        Raises what the operation raises, and DependencyError when the disk fails.
        """
        if self._writer.holds_back:
            with contextlib.suppress(DependencyError):  # a full disk can still be read
                await self._writer.write(_nothing)
        return await self._readers.read(operation)

    async def settle(self) -> None:
        """Bring what the log holds into the file, so that both take no more room than they need.

        As far as that can be done without making anybody wait for long; never raises.
        """
        await trio.to_thread.run_sync(self._settle)

    def tell_of_failure(self, told: Callable[[DependencyError], None]) -> None:
        """Have `told` called, from now on, whenever the disk did not take a write, or something made no sense.

        It must not block or raise.
        """
        self._failures.tell = told

    def statistics(self) -> DatabaseStatistics:
        return self._writer.statistics()


def _nothing(_connection: sqlite3.Connection) -> None:
    return


def _open(
    path: Path, storage: settings.Storage
) -> tuple[DatabaseLock, sqlite3.Connection, tuple[sqlite3.Connection, ...]]:
    """Everything of opening that blocks. Leaves nothing open when it raises."""
    prepare_file(path)
    lock = take_lock(path)
    opened: list[sqlite3.Connection] = []
    try:
        if finish(path):
            _log.warning("a database that was to take this one's place has taken it now", path=str(path))
        opened.append(open_connection(path, storage))
        if not lock.was_clean:
            _log.warning("Thane did not end cleanly; checking the database", path=str(path))
            check_integrity(opened[0], path)
        migrate(opened[0], path)
        if not lock.was_clean:
            mend_indexes(opened[0])
        make_shrinkable(opened[0])
        opened += [open_connection(path, storage, reader=True) for _ in range(storage.readers)]
    except Exception as error:
        for connection in opened:
            connection.close()
        lock.release(clean=lock.was_clean)
        meaning = as_dependency(error)
        if isinstance(meaning, DependencyError) and meaning is not error:
            raise (meaning if meaning.temporary else damaged(path, str(error))) from error
        raise
    return lock, opened[0], tuple(opened[1:])
