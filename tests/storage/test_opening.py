"""Whether a database may be opened: in use, newer, foreign, damaged, not writable; and its schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from thane.config.settings import Storage
from thane.errors import ConfigurationError, DependencyError
from thane.storage import schema
from thane.storage.database import open_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "thane.db"


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("pragma user_version").fetchone()[0])
    finally:
        connection.close()


def damage_the_middle(path: Path) -> bytes:
    """Overwrite one page; returns what the file was."""
    whole = path.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
    return whole


def write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def read_file(path: Path) -> bytes:
    return path.read_bytes()


async def open_and_close(path: Path) -> None:
    async with open_database(path, Storage()):
        pass


async def test_a_new_database_is_made_and_only_its_owner_may_read_it(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(lambda connection: connection.execute("insert into meta values ('x', 1)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert {"thane.db", "thane.db-wal", "thane.db-shm", "thane.db.lock"} == set(modes)
    assert {0o600} == set(modes.values())
    assert len(schema.MIGRATIONS) == version(path)


async def test_two_cannot_have_the_same_database(path: Path) -> None:
    async with open_database(path, Storage()):
        with pytest.raises(ConfigurationError, match=rf"in use by another Thane \(process {os.getpid()}\)"):
            await open_and_close(path)
    await open_and_close(path)


async def test_a_newer_database_is_refused_and_left_alone(path: Path) -> None:
    await open_and_close(path)
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"written by a newer Thane \(schema 99, this one knows"):
        await open_and_close(path)
    assert 99 == version(path)


async def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("create table recipes (name)")
    connection.close()
    with pytest.raises(ConfigurationError, match="not one of Thane's"):
        await open_and_close(path)
    connection = sqlite3.connect(path)
    assert [("recipes",)] == connection.execute("select name from sqlite_master").fetchall()
    connection.close()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    write_file(path, b"dear diary, " * 1000)
    with pytest.raises(DependencyError, match=r"is damaged .* `thane repair` saves") as failure:
        await open_and_close(path)
    assert not failure.value.temporary
    assert read_file(path).startswith(b"dear diary")


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="give Thane a `data_dir` that it may write to"):
        await open_and_close(tmp_path / "file" / "thane.db")


async def test_after_an_unclean_end_the_database_is_checked(path: Path) -> None:
    await open_and_close(path)
    lock = path.with_name("thane.db.lock")
    assert "" == lock.read_text()
    lock.write_text("4711\n")  # as a killed process leaves it
    with structlog.testing.capture_logs() as logs:
        await open_and_close(path)
        await open_and_close(path)
    assert ["Thane did not end cleanly; checking the database"] == [line["event"] for line in logs]


async def test_damage_found_after_an_unclean_end_is_refused_until_it_is_mended(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        rows = [(f"{number}", number) for number in range(20_000)]
        await database.write(lambda connection: connection.executemany("insert into meta values (?, ?)", rows))
    whole = damage_the_middle(path)
    path.with_name("thane.db.lock").write_text("4711\n")
    for _ in range(2):
        with pytest.raises(DependencyError, match="is damaged"):
            await open_and_close(path)
    write_file(path, whole)
    await open_and_close(path)


async def test_cancelling_the_opening_leaves_nothing_locked(path: Path) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_blocked, scope)
            async with open_database(path, Storage()):
                await trio.sleep_forever()
    await open_and_close(path)


async def test_what_the_body_raises_comes_out_as_it_is(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_database(path, Storage()):
            raise ZeroDivisionError
    await open_and_close(path)


def test_each_migration_is_all_or_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    first, second = ("create table a (x)",), ("create table b (x)", "create table c (x)")
    schema.migrate(connection, tmp_path, (first,))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        schema.migrate(connection, tmp_path, (first, (*second, "create table a (x)")))
    names = "select name from sqlite_master order by name"
    assert [("a",)] == connection.execute(names).fetchall()
    assert 1 == connection.execute("pragma user_version").fetchone()[0]
    schema.migrate(connection, tmp_path, (first, second))
    schema.migrate(connection, tmp_path, (first, second))
    assert [("a",), ("b",), ("c",)] == connection.execute(names).fetchall()
    connection.close()


async def _cancel_when_blocked(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()
