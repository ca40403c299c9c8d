"""What may come later: it makes nobody wait, keeps its order, and nobody can tell by reading."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.storage.test_database import Brake, committed, insert, make_table, nothing, on_disk, values
from thane.config.settings import Storage
from thane.storage.database import open_database
from thane.storage.latest import Latest
from thane.storage.writer import LATER_AT_MOST, LATER_TOGETHER


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thane.db"


async def test_a_hurried_write_overtakes_it_and_any_other_does_not(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.later(insert("later"))
        await database.write(insert("hurried"), hurried=True)
        assert ["hurried"] == on_disk(path)
        await database.write(insert("last"))
        assert ["hurried", "later", "last"] == on_disk(path)


async def test_a_post_overtakes_it_with_a_hurried_write_alone(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.later(insert("later"))
        database.post(insert("post"))
        await database.write(insert("hurried"), hurried=True)
        assert ["post", "hurried"] == on_disk(path)


async def test_whoever_reads_finds_it(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.later(insert("a"))
        assert ["a"] == await database.read(values)


async def test_whoever_reads_waits_for_what_the_thread_has(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        brake = Brake()
        database.later(brake)
        database.later(insert("a"))
        found: list[object] = []

        async def read() -> None:
            found.extend(await database.read(values))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await brake.wait_until_it_holds()
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            brake.go.set()
        assert ["a", "a"] == found


async def test_a_full_queue_does_not_keep_anybody_from_reading(path: Path) -> None:
    async with open_database(path, Storage(queue_writes=2)) as database:
        await database.write(make_table)
        await database.write(insert("a"))
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, brake)
            await brake.wait_until_it_holds()
            database.later(insert("b"))
            assert ["a"] == await database.read(values)
            brake.go.set()


async def test_it_is_stored_though_nothing_follows(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for number in range(3):
            database.later(insert(number))
            await committed(database, 2 + number)
        assert [0, 1, 2] == on_disk(path)


async def test_it_is_stored_though_hurried_writes_follow_each_other(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.later(insert("later"))
        with trio.fail_after(5):
            while "later" not in on_disk(path):
                await database.write(nothing, hurried=True)


async def test_many_go_together_once_the_hurried_one_is_told(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for number in range(LATER_TOGETHER):
            database.later(insert(number))
        before = database.statistics()
        await database.write(nothing, hurried=True)
        await committed(database, before.committed + 1 + LATER_TOGETHER)
        assert before.transactions + 2 == database.statistics().transactions


async def test_too_many_go_with_the_hurried_one(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for number in range(LATER_AT_MOST):
            database.later(insert(number))
        await database.write(nothing, hurried=True)
        assert LATER_AT_MOST == len(on_disk(path))


async def test_it_is_stored_when_the_database_is_closed(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.later(insert("a"))
    assert ["a"] == on_disk(path)


def test_only_the_latest_value_is_taken_and_none_comes_after() -> None:
    latest = Latest("first")
    assert latest.replace("second")
    assert latest.take() == "second"
    assert not latest.replace("third")
    assert latest.take() == "second"
