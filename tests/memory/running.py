"""A database that is open for tests that are synchronous, such as state machines."""

from __future__ import annotations

import random
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from thane.clock import Clock
from thane.config.settings import Archive as ArchiveSettings
from thane.config.settings import Storage
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.memory.facts import Facts
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock


class Thane:
    """A database kept open by a trio loop in a thread of its own, since the state machine's rules are synchronous."""

    def __init__(self, path: Path, clock: Clock | None = None, settings: ArchiveSettings | None = None) -> None:
        self.archive: Archive
        self.facts: Facts
        self.database: Database
        self._path = path
        self._clock = clock
        self._settings = settings or ArchiveSettings()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self) -> None:
        clock = self._clock or TrioClock()
        ids = Ids(random.Random(), clock)
        async with open_database(self._path, Storage()) as self.database:
            self.archive = Archive(self.database, clock, self._settings, ids=ids)
            self.facts = Facts(self.database, clock, ids)
            self._token = trio.lowlevel.current_trio_token()
            self._stop = trio.Event()
            self._ready.set()
            await self._stop.wait()

    def do[T](self, work: Callable[[], Awaitable[T]]) -> T:
        async def call() -> T:
            return await work()

        return trio.from_thread.run(call, trio_token=self._token)

    def post(self, work: Callable[[], None]) -> None:
        trio.from_thread.run_sync(work, trio_token=self._token)
        self.do(partial(self.database.write, lambda _: None))

    def stop(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join()
