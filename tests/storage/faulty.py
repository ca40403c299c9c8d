"""A disk that fails at a chosen statement, and all of Thane's that writes, with the same ids and times each time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.memory.samples import AT
from thane.config.money import Budgets
from thane.config.settings import Archive as ArchiveLimits
from thane.config.settings import Runs, Storage
from thane.errors import DependencyError
from thane.events.event import NoEvents
from thane.ids import Ids
from thane.ledger.ledger import Ledger
from thane.ledger.pricing import PriceList
from thane.memory.archive import Archive
from thane.memory.archive_retention import ArchiveRetention
from thane.memory.facts import Facts
from thane.memory.prompts import Packer
from thane.memory.retention import Retention
from thane.storage.database import Database, open_database

DAY = 86_400.0
NOW = AT + 100 * DAY


class Failing(sqlite3.Connection):
    """Fails once, at the statement whose turn it is; every statement of every connection counts."""

    left = -1  # statements until then; below 0 for never
    count = 0

    def _count(self) -> None:
        Failing.count += 1
        if Failing.left == 0:
            Failing.left = -1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        if Failing.left > 0:
            Failing.left -= 1

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql != "rollback":
            self._count()
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._count()
        return super().executemany(sql, parameters)


def fail_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every connection of Thane's be a failing one."""
    connect = sqlite3.connect

    def failing_connection(*given: Any, **named: Any) -> sqlite3.Connection:
        return connect(*given, factory=Failing, **named)

    monkeypatch.setattr("thane.storage.connection.sqlite3.connect", failing_connection)


class Still:
    """A clock that stands."""

    def time(self) -> float:
        return NOW


class House:
    """All that writes into a database."""

    def __init__(self, database: Database, seed: int) -> None:
        clock = Still()
        ids = Ids(random.Random(seed), clock)
        self.database = database
        self.archive = Archive(database, clock, ArchiveLimits(), Packer(), ids)
        self.facts = Facts(database, clock, ids)
        self.ledger = Ledger(database, PriceList({}), Budgets(), clock=clock, events=NoEvents())
        sweeping = ArchiveRetention(
            database,
            ArchiveLimits(keep_days=50),
            Storage(spare_bytes=0),
            clock,
            checkpoints=self.archive.checkpoints,
            own_triggers=("periodic",),
            live=frozenset,
            batch=2,
        )
        self.retention = Retention(
            database, Runs(run_days=80, prompt_days=70, sweep_rows=2), NoEvents(), clock, sweeping
        )


type Work = Callable[[House], Awaitable[object]]


@asynccontextmanager
async def opened(path: Path, seed: int = 1) -> AsyncGenerator[House]:
    async with open_database(path, Storage(readers=1)) as database:
        house = House(database, seed)
        await house.archive.sessions.recall()
        yield house


async def change(path: Path, work: Work, fail_at: int = -1) -> bool:
    """Do it; whether the disk did not fail on the way. `fail_at` counts the statements from when it begins."""
    async with opened(path) as house:
        Failing.left = fail_at
        try:
            await work(house)
            await house.database.read(lambda connection: None)  # what may come later comes before anybody reads
        except DependencyError:
            return False
        finally:
            reached, Failing.left = Failing.left < 0, -1
        return not (reached and fail_at >= 0)


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, but those that SQLite keeps for itself, of which `integrity` sees to the indexes."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "select name from sqlite_master where type = 'table' and sql not like 'create virtual%' and name not like "
            "'sqlite_%' and name not glob '*_words_*' and name not glob 'words_trigrams_*'"
        ).fetchall()
        return {name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr) for (name,) in names}
