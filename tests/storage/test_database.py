"""Writing, posting and reading; what fails, what is cancelled and what is left when it closes.

The database's threads do not follow a test's clock, so there is none here: what takes time is held by `Brake`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from thane.config.settings import Storage
from thane.errors import DependencyError
from thane.storage.database import Database, open_database

ALL = "select value from t order by rowid"


def insert(value: object) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute("insert into t values (?)", (value,)).lastrowid


def values(connection: sqlite3.Connection) -> list[object]:
    return [row[0] for row in connection.execute(ALL)]


def make_table(connection: sqlite3.Connection) -> None:
    connection.execute("create table t (value)")


def nothing(_connection: sqlite3.Connection) -> None:
    return


def on_disk(path: Path) -> list[object]:
    """What another program sees."""
    connection = sqlite3.connect(path)
    try:
        return values(connection)
    finally:
        connection.close()


class Brake:
    """An operation that holds the writer's thread until it is let go."""

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.go = threading.Event()

    def __call__(self, _connection: sqlite3.Connection) -> None:
        self.holds.set()
        assert self.go.wait(10)

    async def wait_until_it_holds(self) -> None:
        assert await trio.to_thread.run_sync(self.holds.wait, 10)


async def committed(database: Database, number: int) -> None:
    """Wait, in real time, for so many operations to be on disk."""
    with trio.fail_after(5):
        while database.statistics().committed < number:  # noqa: ASYNC110 - the writer's thread tells no event of ours
            await trio.sleep(0.001)


async def cancelled_when_it_waits(work: Callable[[], Awaitable[object]]) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await wait_all_tasks_blocked()
                scope.cancel()

            nursery.start_soon(cancel)
            await work()
    assert scope.cancelled_caught


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "thane.db"


async def test_a_write_is_on_disk_when_it_returns(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        assert 1 == await database.write(insert("a"))
        assert ["a"] == on_disk(path)


async def test_posts_and_writes_keep_their_order(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        database.post(insert("first"))
        database.post(insert("second"))
        await database.write(insert("third"))
        database.post(insert("fourth"))
        await database.write(nothing)
        assert ["first", "second", "third", "fourth"] == on_disk(path)


async def test_a_post_is_stored_though_no_write_follows(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for _ in range(3):
            database.post(insert("a"))
            await committed(database, database.statistics().committed + 1)
        assert ["a", "a", "a"] == on_disk(path)


async def test_a_post_that_comes_during_a_transaction_is_stored_after_it(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, brake)
            await brake.wait_until_it_holds()
            database.post(insert("a"))
            brake.go.set()
        await committed(database, 3)
        assert ["a"] == on_disk(path)


async def test_what_waits_is_committed_together(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        before = database.statistics().transactions
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(database.write, insert(number))
        assert 100 == len(on_disk(path))
        assert database.statistics().transactions - before <= 3
        assert 0 == database.statistics().waiting


async def test_posts_alone_are_collected_for_a_moment(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        before = database.statistics().transactions
        for number in range(100):
            database.post(insert(number))
            await trio.lowlevel.checkpoint()
        await committed(database, 101)
        assert database.statistics().transactions - before <= 3


async def test_a_failure_hurts_only_its_own_caller_and_leaves_nothing_half_done(path: Path) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        connection.execute("insert into t values ('half')")
        raise LookupError("no such thing")

    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, brake)
            await brake.wait_until_it_holds()
            nursery.start_soon(database.write, insert("before"))

            async def fail() -> None:
                with pytest.raises(LookupError, match="no such thing"):
                    await database.write(half_done)

            nursery.start_soon(fail)
            await wait_all_tasks_blocked()
            nursery.start_soon(database.write, insert("after"))
            await wait_all_tasks_blocked()
            brake.go.set()
        assert {"before", "after"} == set(on_disk(path))


async def test_a_post_that_fails_is_logged_and_counted(path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_database(path, Storage()) as database:
            await database.write(make_table)
            database.post(insert("good"))
            database.post(lambda connection: connection.execute("insert into missing values (1)"))
            await database.write(nothing)
            assert 1 == database.statistics().failed
            assert ["good"] == on_disk(path)
    assert ["a write failed that nobody waits for"] == [line["event"] for line in logs]


async def test_a_full_queue_refuses_writes_and_counts_lost_posts(path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_database(path, Storage(queue_writes=3)) as database:
            await database.write(make_table)
            brake = Brake()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.write, brake)
                await brake.wait_until_it_holds()
                database.post(insert("a"))
                database.post(insert("b"))
                with pytest.raises(DependencyError, match=r"3 writes wait for it \(storage.queue_writes\)") as refused:
                    await database.write(insert("lost"))
                assert ("database", True) == (refused.value.dependency, refused.value.temporary)
                database.post(insert("lost"))
                database.post(insert("lost"))
                brake.go.set()
            await database.write(insert("c"))
            assert ["a", "b", "c"] == on_disk(path)
            assert (3, 0) == (database.statistics().refused, database.statistics().waiting)
    assert ["a write was dropped, and more may follow"] == [line["event"] for line in logs]


async def test_a_cancelled_write_is_still_stored_whole(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, brake)
            await brake.wait_until_it_holds()
            await cancelled_when_it_waits(partial(database.write, insert("kept")))
            brake.go.set()
        await database.write(insert("next"))
        assert ["kept", "next"] == on_disk(path)


async def test_a_caller_that_is_cancelled_already_writes_nothing(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.write(insert("never"))
        await database.write(nothing)
        assert [] == on_disk(path)


async def test_a_full_disk_is_told_and_survived(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        pages = await database.write(lambda c: c.execute("pragma page_count").fetchone()[0])
        await database.write(lambda c: c.execute(f"pragma max_page_count = {pages}").fetchone())
        with pytest.raises(DependencyError, match="The disk is full") as failure:
            await database.write(insert("x" * 100_000))
        assert failure.value.temporary
        await database.write(insert("small"))
        await database.write(lambda c: c.execute("pragma max_page_count = 100000").fetchone())
        await database.write(insert("y" * 100_000))
        assert ["small", "y" * 100_000] == on_disk(path)


async def test_a_locked_database_is_waited_for_once_and_told(path: Path) -> None:
    async with open_database(path, Storage(busy_timeout_seconds=0.1)) as database:
        await database.write(make_table)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        failed: list[DependencyError] = []

        async def write() -> None:
            with pytest.raises(DependencyError, match="Another program keeps the database locked") as failure:
                await database.write(insert("a"))
            failed.append(failure.value)

        with trio.fail_after(2):  # 50 waits of 0.1 s would be 5
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(write)
        assert 50 == len({id(error) for error in failed})
        other.execute("rollback")
        other.close()
        await database.write(insert("b"))
        assert ["b"] == on_disk(path)


async def test_a_read_sees_one_snapshot(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        seen, changed = threading.Event(), threading.Event()

        def read_twice(connection: sqlite3.Connection) -> tuple[list[object], list[object]]:
            first = values(connection)
            seen.set()
            assert changed.wait(10)
            return first, values(connection)

        async def change() -> None:
            await trio.to_thread.run_sync(seen.wait, 10)
            await database.write(insert("a"))
            changed.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            assert ([], []) == await database.read(read_twice)
        assert ["a"] == await database.read(values)


async def test_a_cancelled_read_stops_and_its_connection_goes_on(path: Path) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    async with open_database(path, Storage(readers=1)) as database:
        with trio.move_on_after(0.05) as scope:
            await database.read(lambda connection: connection.execute(endless).fetchone())
        assert scope.cancelled_caught
        with trio.fail_after(5):
            assert (1,) == await database.read(lambda connection: connection.execute("select 1").fetchone())


async def test_a_read_that_is_cancelled_before_its_turn_is_not_run(path: Path) -> None:
    ran: list[int] = []
    async with open_database(path, Storage(readers=1)) as database:
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.read, brake)
            await brake.wait_until_it_holds()
            await cancelled_when_it_waits(partial(database.read, lambda _: ran.append(1)))
            brake.go.set()
        await database.read(nothing)
    assert [] == ran


async def test_reads_go_on_at_the_same_time(path: Path) -> None:
    async with open_database(path, Storage(readers=2)) as database:
        brake = Brake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.read, brake)
            await brake.wait_until_it_holds()
            assert (1,) == await database.read(lambda connection: connection.execute("select 1").fetchone())
            brake.go.set()


async def test_a_read_raises_what_its_operation_raises_and_cannot_write(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        with pytest.raises(sqlite3.OperationalError, match="no such table: missing"):
            await database.read(lambda connection: connection.execute("select * from missing"))
        with pytest.raises(DependencyError, match="readonly"):
            await database.read(insert("a"))


@pytest.mark.parametrize(("synchronous", "level"), [("normal", 1), ("full", 2)])
async def test_the_database_is_opened_as_configured(path: Path, synchronous: str, level: int) -> None:
    storage = Storage(synchronous="full" if synchronous == "full" else "normal")
    async with open_database(path, storage) as database:
        for ask in (database.write, database.read):
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            answers = [await ask(lambda c, name=name: c.execute(f"pragma {name}").fetchone()[0]) for name in pragmas]
            assert ["wal", level, 1] == answers


async def test_leaving_commits_what_was_handed_over_and_closes_everything(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        await database.write(make_table)
        for number in range(10):
            database.post(insert(number))
    assert list(range(10)) == on_disk(path)
    assert {"thane.db", "thane.db.lock"} == {file.name for file in path.parent.iterdir()}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("thane-database")]


async def test_leaving_under_cancellation_loses_nothing(path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_database(path, Storage()) as database:
            await database.write(make_table)
            brake = Brake()
            database.post(brake)
            for number in range(10):
                database.post(insert(number))
            scope.cancel()
            brake.go.set()
            await trio.sleep_forever()
    assert list(range(10)) == on_disk(path)


async def test_leaving_waits_for_a_hanging_disk_only_so_long_and_says_so(path: Path) -> None:
    brake = Brake()
    with structlog.testing.capture_logs() as logs:
        async with open_database(path, Storage(close_timeout_seconds=0.1)) as database:
            await database.write(make_table)
            database.post(brake)
            database.post(insert("late"))
    assert ["the disk did not take the last writes in time"] == [line["event"] for line in logs]
    brake.go.set()
    for thread in threading.enumerate():
        if thread.name == "thane-database-writer":
            await trio.to_thread.run_sync(thread.join, 5)
    with structlog.testing.capture_logs() as logs:
        async with open_database(path, Storage()):
            assert ["Thane did not end cleanly; checking the database"] == [line["event"] for line in logs]


async def test_reads_that_hang_take_no_time_from_the_last_writes(path: Path) -> None:
    brakes = Brake(), Brake()
    with structlog.testing.capture_logs() as logs:
        async with open_database(path, Storage(close_timeout_seconds=0.1, readers=2)) as database:
            await database.write(make_table)
            async with trio.open_nursery() as nursery:
                for brake in brakes:
                    nursery.start_soon(database.read, brake)
                    await trio.to_thread.run_sync(brake.holds.wait, 5)
                nursery.cancel_scope.cancel()
            database.post(insert("late"))
    for brake in brakes:
        brake.go.set()
    assert ["late"] == on_disk(path)
    assert ["a read did not end in time"] * 2 == [line["event"] for line in logs]
    assert b"" == path.with_name("thane.db.lock").read_bytes()  # closed, and cleanly


async def test_a_closed_database_refuses(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        pass
    with pytest.raises(DependencyError, match="closed"):
        await database.write(nothing)
    with structlog.testing.capture_logs() as logs:
        database.post(nothing)
    assert 1 == len(logs)


async def test_statistics_tell_how_long_a_transaction_took(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        assert 0 == database.statistics().slowest_seconds
        await database.write(make_table)
        assert 0 < database.statistics().last_seconds <= database.statistics().slowest_seconds < 5


async def test_each_connection_keeps_no_more_pages_than_the_setting_says(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage(cache_bytes=1_048_576)) as database:
        read = await database.read(lambda c: c.execute("pragma cache_size").fetchone()[0])
        write = await database.write(lambda c: c.execute("pragma cache_size").fetchone()[0])
    assert (-1024, -1024) == (read, write)
