"""The log of writes goes into the database's own file beside the writer; nothing depends on that."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
import trio

from tests.storage.test_database import make_table, nothing, on_disk, values
from thane.config.settings import Storage
from thane.storage import database as opening
from thane.storage.backfill import CHANGES, Backfill
from thane.storage.connection import open_connection
from thane.storage.database import open_database

THREAD = "thane-database-backfill"


def many(connection: sqlite3.Connection) -> None:
    connection.executemany("insert into t values (?)", [(number,) for number in range(CHANGES)])


async def until(path: Path, size: int) -> None:
    """Wait, in real time, for the file to be so large."""
    with trio.fail_after(5):
        while os.stat(path).st_size < size:  # noqa: ASYNC110, PTH116 - another thread's work tells no event of ours
            await trio.sleep(0.005)


async def test_what_was_written_is_in_the_file_while_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        before = path.stat().st_size
        await database.write(many)
        await until(path, before + 8 * CHANGES)
        await database.write(nothing)
        assert CHANGES == len(await database.read(values))
    assert CHANGES == len(on_disk(path))
    assert not path.with_name("thane.db-wal").exists()
    assert THREAD not in {thread.name for thread in threading.enumerate()}


async def test_without_much_to_do_there_is_no_thread(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        await database.write(make_table)
        assert THREAD not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("fails_at", ["opening", "copying"])
async def test_where_it_cannot_be_done_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    class Failing:
        def execute(self, _sql: str) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        def close(self) -> None:
            closed.append(True)

    def connect() -> Failing:
        if fails_at == "opening":
            raise sqlite3.OperationalError("unable to open database file")
        return Failing()

    closed: list[bool] = []
    monkeypatch.setattr(opening, "Backfill", lambda _: Backfill(connect))  # type: ignore[arg-type, return-value]  # no connection
    path = tmp_path / "thane.db"
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for _ in range(3):
            await database.write(many)
        assert 3 * CHANGES == len(await database.read(values))
    assert 3 * CHANGES == len(on_disk(path))
    assert closed == ([True] if fails_at == "copying" else [])


def test_it_ends_also_when_it_never_began(tmp_path: Path) -> None:
    one = Backfill(lambda: open_connection(tmp_path / "thane.db", Storage()))
    one.close(1.0)
    one.soon()
    assert one.rounds == 0
