"""Events on disk: what makes their numbers never repeat, and replay reach further back than memory.

Events are collected and written a block at a time, when the database has time: at most about a tenth of a second of
them is lost when the process is killed. The log knows no subscriber.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from thane.config import settings
from thane.events.encoding import encode_block
from thane.events.event import Event
from thane.storage import event_rows
from thane.storage.database import Database

RESERVED = 100_000
"""Numbers noted ahead as possibly used. After a crash the next number skips what was left of them."""

_decode = msgspec.json.Decoder(list[Event]).decode


@asynccontextmanager
async def open_event_log(database: Database, events: settings.Events) -> AsyncGenerator[EventLog]:
    """Read where the numbers stand and reserve the next ones; on leaving, note the last one exactly.

    Leave it before the database is closed. Raises DependencyError when the disk fails.
    """

    def reserve(connection: sqlite3.Connection) -> int:
        last = event_rows.read_last_seq(connection)
        event_rows.store_last_seq(connection, last + RESERVED)
        event_rows.delete_blocks_beyond(connection, events.log_rows)
        return last

    log = EventLog(database, events.log_rows, await database.write(reserve))
    try:
        yield log
    finally:
        database.post(lambda connection: event_rows.store_last_seq(connection, log.last_seq))


class _Block:
    """Events that will be written together. The writer's thread seals it; then nothing is added any more.

    It holds what the log keeps at most, so that a hanging disk cannot fill the memory.
    """

    __slots__ = ("_events", "_lock", "_sealed")

    def __init__(self, keep: int) -> None:
        self._events: deque[Event] = deque(maxlen=keep)
        self._sealed = False
        self._lock = threading.Lock()

    def add(self, event: Event) -> bool:
        """False when it is sealed."""
        with self._lock:
            if not self._sealed:
                self._events.append(event)
            return not self._sealed

    def seal(self) -> list[Event]:
        with self._lock:
            self._sealed = True
        return list(self._events)


class EventLog:
    """Made by `open_event_log`. `last_seq` is the last number used; the bus goes on from there."""

    def __init__(self, database: Database, keep: int, last_seq: int) -> None:
        self.last_seq = last_seq
        self._database = database
        self._keep = keep
        self._reserve_at = last_seq + RESERVED // 2
        self._block = _Block(0)
        self._block.seal()

    def append(self, event: Event) -> None:
        """Take the next event. Never blocks; a full disk is the database's to report."""
        self.last_seq = event.seq
        if event.seq >= self._reserve_at:
            self._reserve_at = event.seq + RESERVED // 2
            upto = event.seq + RESERVED
            self._database.post(lambda connection: event_rows.store_last_seq(connection, upto))
        if self._keep and not self._block.add(event):
            self._block = block = _Block(self._keep)
            block.add(event)
            self._database.later(lambda connection: self._store(connection, block))

    def _store(self, connection: sqlite3.Connection, block: _Block) -> None:
        events = block.seal()
        event_rows.add_block(connection, events[-1].seq, len(events), encode_block(events))
        event_rows.delete_blocks_beyond(connection, self._keep)

    async def read(self, since: int, before: int, wanted: Callable[[Event], bool], limit: int) -> tuple[Event, ...]:
        """Events with `since < seq < before` that are `wanted`: the oldest `limit` of them, oldest first."""

        def collect(connection: sqlite3.Connection) -> tuple[Event, ...]:
            found: list[Event] = []
            for body in event_rows.blocks_after(connection, since):
                for event in _decode(body):
                    if event.seq >= before or len(found) >= limit:
                        return tuple(found)
                    if event.seq > since and wanted(event):
                        found.append(event)
            return tuple(found)

        return await self._database.read(collect)

    async def latest(self, before: int, wanted: Callable[[Event], bool], limit: int) -> tuple[Event, ...]:
        """Events with `seq < before` that are `wanted`: the newest `limit` of them, oldest first."""

        def collect(connection: sqlite3.Connection) -> tuple[Event, ...]:
            found: list[Event] = []
            for body in event_rows.blocks_backwards(connection):
                for event in reversed(_decode(body)):
                    if len(found) >= limit:
                        return tuple(reversed(found))
                    if event.seq < before and wanted(event):
                        found.append(event)
            return tuple(reversed(found))

        return await self._database.read(collect)

    async def first_seq(self) -> int | None:
        """The oldest number that is kept; None when nothing is."""
        body = await self._database.read(event_rows.first_block)
        return None if body is None else _decode(body)[0].seq
