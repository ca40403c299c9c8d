"""Events on disk: numbers that never repeat, replay across restarts, pruning, and what cannot be written.

No test clock: the database's threads do not follow it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from thane.clock import SystemClock
from thane.config.settings import Events, Storage
from thane.events.bus import EventBus
from thane.events.event import Event
from thane.events.filter import EVERYTHING, EventFilter
from thane.events.log import RESERVED, open_event_log
from thane.storage.database import Database, open_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thane" / "thane.db"


@asynccontextmanager
async def opened(path: Path, **events: Any) -> AsyncGenerator[tuple[EventBus, Database]]:
    settings = Events(**events)
    async with open_database(path, Storage()) as database, open_event_log(database, settings) as log:
        yield EventBus(settings, SystemClock(), log), database


def tell(bus: EventBus, number: int = 1, kind: str = "llm_call", **data: object) -> None:
    for _ in range(number):
        bus.publish("agent", kind, **data)


def seqs(events: tuple[Event, ...]) -> list[int]:
    return [event.seq for event in events]


async def stored(database: Database) -> int:
    """How many blocks of events there are once everything so far is written."""
    return await database.write(lambda c: c.execute("select count(*) from event_blocks").fetchone()[0])


async def test_numbers_go_on_without_a_gap_after_a_clean_end(path: Path) -> None:
    for _ in range(3):
        async with opened(path) as (bus, _database):
            before = bus.last_seq
            tell(bus, 4)
            assert before + 4 == bus.last_seq
    async with opened(path) as (bus, _database):
        assert list(range(1, 13)) == seqs(await bus.replay(0, EVERYTHING))


async def test_numbers_are_never_used_again_after_a_crash(path: Path, tmp_path: Path) -> None:
    used: list[int] = []
    for number in range(3):
        crashed = tmp_path / f"crashed {number}"
        async with opened(path) as (bus, _database):
            tell(bus, 3)  # may or may not be on disk yet
            used += [bus.last_seq - 2, bus.last_seq - 1, bus.last_seq]
            shutil.copytree(path.parent, crashed)
        path = crashed / path.name
    assert 9 == len(set(used))
    assert sorted(used) == used


async def test_more_numbers_are_reserved_long_before_they_are_used_up(path: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    async with opened(path, log_rows=0) as (bus, database):
        tell(bus, RESERVED * 6 // 10)
        await database.write(lambda _: None)  # all that stands in the queue is on disk
        shutil.copytree(path.parent, crashed)
        last = bus.last_seq
    async with opened(crashed / path.name) as (bus, _database):
        assert last + RESERVED // 2 <= bus.last_seq <= last + RESERVED


async def test_replay_joins_disk_and_memory(path: Path) -> None:
    async with opened(path) as (bus, _database):
        tell(bus, 20)
        tell(bus, 1, "tool_call")
    async with opened(path, ring_events=5) as (bus, _database):
        tell(bus, 10)
        assert list(range(1, 32)) == seqs(await bus.replay(0, EVERYTHING))
        assert [19, 20, 21, 22] == seqs(await bus.replay(18, EVERYTHING, 4))
        assert [25, 26, 27, 28] == seqs(await bus.replay(24, EVERYTHING, 4))
        assert [29, 30, 31] == seqs(await bus.replay(28, EVERYTHING))
        assert [21] == seqs(await bus.replay(0, EventFilter(kinds=frozenset({"tool_call"}))))
        assert list(range(25, 32)) == seqs(await bus.latest(EVERYTHING, 7))
        assert [10, 11, 12] == seqs(await bus.latest(EVERYTHING, 3, before=13))
        assert [21] == seqs(await bus.latest(EventFilter(kinds=frozenset({"tool_call"})), 3))
        assert 1 == await bus.first_seq()


async def test_an_event_is_the_same_after_a_restart(path: Path) -> None:
    data = {"run_id": "r_1", "args": {"name": "Küche", "brightness": 50}, "list": [1, None, True]}
    async with opened(path) as (bus, _database):
        bus.publish("agent", "tool_call", **data)
        before = await bus.replay(0, EVERYTHING)
    async with opened(path) as (bus, _database):
        assert before == await bus.replay(0, EVERYTHING)


async def test_events_of_a_moment_are_one_row_and_go_with_the_next_write(path: Path) -> None:
    async with opened(path) as (bus, database):
        for _ in range(3):
            tell(bus, 100)
            await database.write(lambda _: None)
        assert 3 == await stored(database)


async def test_the_oldest_are_deleted_beyond_the_limit(path: Path) -> None:
    async with opened(path, log_rows=50, ring_events=1) as (bus, database):
        for _ in range(30):
            tell(bus, 10)
            await database.write(lambda _: None)
        assert list(range(251, 301)) == seqs(await bus.replay(0, EVERYTHING))
        assert 251 == await bus.first_seq()
        assert 5 == await stored(database)
    async with opened(path, log_rows=20, ring_events=1) as (bus, database):
        assert 281 == await bus.first_seq()
    async with opened(path, log_rows=0) as (bus, database):
        assert 0 == await stored(database)
        tell(bus, 10)
        assert 0 == await stored(database)
        assert list(range(301, 311)) == seqs(await bus.replay(0, EVERYTHING))


async def test_a_hanging_disk_does_not_fill_the_memory(path: Path) -> None:
    async with opened(path, log_rows=50, ring_events=1) as (bus, database):
        tell(bus, 1000)  # nothing is written before the first checkpoint
        assert 1 == database.statistics().waiting
        assert list(range(951, 1001)) == seqs(await bus.replay(0, EVERYTHING))


async def test_what_json_cannot_hold_is_kept_as_text(path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with opened(path, ring_events=1) as (bus, _database):
            tell(bus, 1, where=Path("/tmp"), half="\ud83d")
            tell(bus, 1, well="fine")
            tell(bus)
            odd, fine, _ = await bus.replay(0, EVERYTHING)
            assert r"'half'" in odd.data
            assert r"'\ud83d'" == odd.data["'half'"]
            assert {"well": "fine"} == fine.data
    assert ["an event does not fit into JSON"] == [line["event"] for line in logs]


async def test_an_object_that_is_not_json_is_told_by_its_text(path: Path) -> None:
    async with opened(path, ring_events=1) as (bus, _database):
        tell(bus, 1, where=Path("/tmp"))
        tell(bus)
        assert {"where": "/tmp"} == (await bus.replay(0, EVERYTHING))[0].data


async def test_publishing_goes_on_when_the_disk_fails(path: Path) -> None:
    async with opened(path) as (bus, database):
        await database.write(lambda c: c.execute("drop table event_blocks"))
        with structlog.testing.capture_logs() as logs, bus.subscribe() as subscription:
            tell(bus, 3)
            await database.write(lambda _: None)
            assert 3 == len(await subscription.receive())
            assert [1, 2, 3] == seqs(await bus.replay(0, EVERYTHING))
        assert 1 == database.statistics().failed
        assert ["a write failed that nobody waits for"] == [line["event"] for line in logs]


async def test_leaving_under_cancellation_keeps_the_events(path: Path) -> None:
    with trio.CancelScope() as scope:
        async with opened(path) as (bus, _database):
            tell(bus, 5)
            scope.cancel()
            await trio.sleep_forever()
    connection = sqlite3.connect(path)
    assert [(5,)] == connection.execute("select value from meta").fetchall()
    assert [(5, 5)] == connection.execute("select ordinal, last_seq from event_blocks").fetchall()
    connection.close()
