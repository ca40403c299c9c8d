"""Brings what the write-ahead log holds into the database's own file, beside the writer and not in its way.

SQLite does that within the commit that makes the log long enough: it waits until some 15 MB are on the disk, 20 ms on
the project's machine, and so did everybody who waited for a write. A passive checkpoint by another connection
(https://www.sqlite.org/pragma.html#pragma_wal_checkpoint) makes no writer and no reader wait. What it could not bring
over, since the writer went on, is left for the next, and in the end for the writer's own, which then has little to do.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import structlog

CHANGES = 3000
"""Rows that are changed between two of them: some 70 turns, and about as many pages as a checkpoint is worth."""
_PATIENCE = 100  # milliseconds for which a writer may have to wait

_log = structlog.get_logger("thane.storage")


class Backfill:
    """A thread that waits for work. It begins, and `connect` is called there, when there is some for the first time."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._wanted = threading.Event()
        self._closed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self.rounds = 0

    def soon(self) -> None:
        """There is something to do. Never waits; called from the writer's thread only."""
        with self._starting:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="thane-database-backfill", daemon=True)
                self._thread.start()
        self._wanted.set()

    def close(self, timeout_seconds: float) -> None:
        """End the thread, which finishes what it is at; a disk that hangs for ever is given up. Blocks."""
        with self._starting:
            self._closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        try:
            connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            _log.warning("the log of writes is left to the writer", error=str(error))
            return
        try:
            while self._wanted.wait() and not self._closed:
                self._wanted.clear()
                try:
                    connection.execute("pragma wal_checkpoint(passive)").fetchone()
                    self.rounds += 1
                except sqlite3.Error as error:  # the writer will meet it too, and say what it means
                    _log.warning("the log of writes is left to the writer this time", error=str(error))
        finally:
            connection.close()


def take_log_in(connect: Callable[[], sqlite3.Connection]) -> None:
    """Bring all that the log holds into the file, and make the log empty, unless others are in the way. Blocks."""
    try:
        with closing(connect()) as connection:
            connection.execute(f"pragma busy_timeout = {_PATIENCE}")
            connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    except (OSError, sqlite3.Error) as error:
        _log.warning("the log of writes could not be taken in", error=str(error))
