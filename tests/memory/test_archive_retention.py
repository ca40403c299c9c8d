"""What was said longest ago goes first, whole; what goes on, facts and costs stay; nothing half is left behind."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import AsyncGenerator, Collection
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio

from tests.memory.samples import conversation, run, said
from tests.storage.test_killing import integrity
from thane.config.settings import Archive as ArchiveLimits
from thane.config.settings import Runs, Storage
from thane.events.encoding import encode_block
from thane.events.event import Event
from thane.ids import Ids
from thane.memory import archive_retention
from thane.memory.archive import Archive
from thane.memory.archive_retention import DAY, ArchiveRetention, ArchiveSwept
from thane.memory.fact import NewFact
from thane.memory.facts import Facts
from thane.memory.records import RunRecord, ToolCallRecord
from thane.memory.retention import Retention
from thane.memory.search import Wanted
from thane.storage import event_rows, log_rows
from thane.storage.database import Database, open_database
from thane.storage.file_size import file_size
from thane.testing.clock import TrioClock
from thane.testing.events import RecordedEvents

NOISE = random.Random(11)
TABLES = ("conversations", "sessions", "messages", "runs", "tool_calls", "log_lines")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thane.db"


@pytest.fixture
async def database(path: Path) -> AsyncGenerator[Database]:
    async with open_database(path, Storage()) as database:
        yield database


def archive_of(database: Database) -> Archive:
    return Archive(database, TrioClock())


async def talk(database: Database, id_: str, *, days: float, text: str = "", run_id: str = "") -> RunRecord:
    """A turn of conversation `id_`, so long ago; a session of its own if the last one is older than an hour."""
    run_id = run_id or f"r_{id_}_{days:g}"
    at = TrioClock().time() - days * DAY
    call = ToolCallRecord("call", run_id, id_, 1, "tool", "{}", "ok", True, at, 0.1)
    ended = run(run_id, id_, at=at, tool_calls=(call,))
    new = [
        msgspec.structs.replace(each, at=at) for each in said(ended, text or f"asked {run_id}", f"answered {run_id}")
    ]
    await archive_of(database).run_ended(conversation(id_, at=at), ended, new)
    return ended


def sweeper(
    database: Database,
    *,
    live: Collection[str] = (),
    keep_days: float = 0,
    max_bytes: int = 0,
    batch: int = 3,
    clock: TrioClock | None = None,
) -> ArchiveRetention:
    return ArchiveRetention(
        database,
        ArchiveLimits(keep_days=keep_days),
        Storage(max_bytes=max_bytes, spare_bytes=0),
        clock or TrioClock(),
        checkpoints=archive_of(database).checkpoints,
        own_triggers=("periodic",),
        live=lambda: live,
        batch=batch,
    )


async def count(database: Database, *tables: str) -> list[int]:
    return await database.read(lambda c: [c.execute(f"select count(*) from {table}").fetchone()[0] for table in tables])


async def left(database: Database) -> list[str]:
    found = await database.read(lambda c: c.execute("select content from messages order by number").fetchall())
    return [text for (text,) in found]


async def test_old_sessions_go_with_all_that_was_done_in_them(database: Database) -> None:
    for days in (40, 35, 1):
        await talk(database, "c_old" if days > 1 else "c_new", days=days)
    swept = await sweeper(database, keep_days=30).sweep()
    assert (2, 1, 4, 2) == (swept.sessions, swept.conversations, swept.messages, swept.runs)
    assert ["asked r_c_new_1", "answered r_c_new_1"] == await left(database)
    assert [1, 1, 2, 1, 1, 0] == await count(database, *TABLES)


async def test_of_a_conversation_that_goes_on_from_time_to_time_only_the_old_sessions_go(database: Database) -> None:
    for days in (40, 20, 2):
        await talk(database, "c_1", days=days)
    swept = await sweeper(database, keep_days=10).sweep()
    assert (2, 0) == (swept.sessions, swept.conversations)
    assert ["asked r_c_1_2", "answered r_c_1_2"] == await left(database)


async def test_the_default_keeps_everything_for_ever(database: Database) -> None:
    await talk(database, "c_1", days=4000)
    swept = await sweeper(database).sweep()
    assert not swept.is_worth_telling
    assert 2 == len(await left(database))


async def test_the_last_session_of_a_live_conversation_stays_and_those_before_it_go(database: Database) -> None:
    for days in (50, 40):
        await talk(database, "c_1", days=days)
    await talk(database, "c_2", days=60)
    swept = await sweeper(database, keep_days=10, live={"c_1"}).sweep()
    assert (2, 1) == (swept.sessions, swept.conversations)
    assert ["asked r_c_1_40", "answered r_c_1_40"] == await left(database)


async def test_a_run_that_goes_on_is_left_alone(database: Database) -> None:
    at = TrioClock().time() - 50 * DAY
    archive_of(database).run_started(conversation("c_1", at=at), run("r_1", "c_1", "running", at=at))
    await talk(database, "c_2", days=50)
    await sweeper(database, keep_days=10).sweep()
    assert [1, 0, 0, 1, 0, 0] == await count(database, *TABLES)


async def test_a_conversation_of_failed_turns_goes_too(database: Database) -> None:
    at = TrioClock().time() - 50 * DAY
    await archive_of(database).run_ended(conversation("c_1", at=at), run("r_1", "c_1", "failed", at=at), ())
    swept = await sweeper(database, keep_days=10).sweep()
    assert (0, 1) == (swept.sessions, swept.conversations)
    assert [0] * len(TABLES) == await count(database, *TABLES)


async def test_facts_and_costs_stay(database: Database) -> None:
    ended = await talk(database, "c_1", days=50)
    facts = Facts(database, TrioClock(), Ids(random.Random(1), TrioClock()))
    await facts.remember(NewFact("house", "", "home", "shed", "paint it", "person"))
    await facts.remember(NewFact("conversation", "c_1", "home", "shed", "paint it red", "person"))

    def pay(connection: sqlite3.Connection) -> None:
        columns = [name for _, name, *_ in connection.execute("pragma table_info (ledger)")]
        values = [ended.id if name == "run_id" else 1 if name not in ("model", "outcome") else "x" for name in columns]
        connection.execute(f"insert into ledger values ({', '.join('?' * len(columns))})", values)

    await database.write(pay)
    swept = await sweeper(database, keep_days=10).sweep()
    assert (1, 0, 2) == (swept.sessions, swept.conversations, swept.messages)
    assert [1, 0, 0, 0, 2, 1] == await count(
        database, "conversations", "sessions", "messages", "runs", "facts", "ledger"
    )
    assert not (await sweeper(database, keep_days=10).sweep()).is_worth_telling


async def test_it_goes_in_small_transactions_and_turns_get_in_between(database: Database) -> None:
    at = TrioClock().time() - 50 * DAY
    for number in range(40):
        await talk(database, "c_1", days=50, run_id=f"r_{number:02}")
    seen: list[int] = []

    async def look_on() -> None:
        while True:
            seen.append((await count(database, "messages"))[0])
            await talk(database, "c_2", days=1, run_id=f"n_{len(seen)}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_on)
        swept = await sweeper(database, keep_days=10, batch=4).sweep()
        nursery.cancel_scope.cancel()
    assert 80 == swept.messages
    assert len(seen) > 5
    assert at < TrioClock().time()


async def test_the_search_finds_what_is_left_and_suggests_no_word_that_went(database: Database, path: Path) -> None:
    await talk(database, "c_1", days=50, text="the chandelier in the ballroom")
    await talk(database, "c_2", days=1, text="the wardrobe in the attic")
    await sweeper(database, keep_days=10).sweep()
    search = archive_of(database).search
    assert 1 == len((await search.find("wardrobe", Wanted(), limit=5)).hits)
    assert 1 == len((await search.find("wardorbe", Wanted(), limit=5)).hits)
    found = await search.find("chandeleir", Wanted(), limit=5)
    assert ((), {}) == (found.hits, found.instead)
    await database.read(lambda connection: connection.execute("select 1").fetchone())
    assert "ok" == integrity(path)


async def test_too_large_a_database_loses_its_oldest_sessions_until_it_fits(database: Database) -> None:
    for number in range(40):
        await talk(database, f"c_{number:02}", days=100 - number, text=NOISE.randbytes(20_000).hex())
    size = await database.read(file_size)
    most = size.used // 2
    swept = await sweeper(database, max_bytes=most).sweep()
    assert most * 0.8 < swept.used_bytes <= most
    assert swept.freed_bytes == size.used - swept.used_bytes
    assert swept.given_back > 0
    assert swept.file_bytes < size.file
    kept = [text.split()[-1] for text in await left(database) if text.startswith("answered")]
    assert kept == [f"r_c_{number:02}_{100 - number}" for number in range(40 - len(kept), 40)]


async def test_a_limit_that_cannot_be_reached_costs_nothing_of_the_last_days(database: Database) -> None:
    await talk(database, "c_1", days=8)
    await talk(database, "c_2", days=6)
    swept = await sweeper(database, max_bytes=1).sweep()
    assert 1 == swept.sessions
    assert ["asked r_c_2_6", "answered r_c_2_6"] == await left(database)


async def test_its_own_checkpoints_make_room_first_and_those_of_people_stay(database: Database) -> None:
    checkpoints = archive_of(database).checkpoints
    for trigger in ("manual", "periodic", "periodic"):
        await talk(database, f"c_{trigger}", days=1)
        await checkpoints.create(trigger)
    swept = await sweeper(database, max_bytes=1).sweep()
    assert (1, 0) == (swept.checkpoints, swept.sessions)
    assert ["periodic", "manual"] == [each.trigger for each in await checkpoints.list()]


async def test_checkpoints_are_no_older_than_what_is_kept(database: Database) -> None:
    later = TrioClock(TrioClock().time() + 20 * DAY)
    for trigger in ("manual", "periodic"):
        await archive_of(database).checkpoints.create(trigger)
    await Archive(database, later).checkpoints.create("periodic")
    swept = await sweeper(database, keep_days=10, clock=later).sweep()
    assert 1 == swept.checkpoints
    assert ["periodic", "manual"] == [each.trigger for each in await archive_of(database).checkpoints.list()]


def block(at: float, number: int) -> bytes:
    return encode_block([Event(2 * number + n, at, "agent", "said", {"text": f"event {number}"}) for n in (1, 2)])


async def keep_events(database: Database, *days: float) -> None:
    """Blocks of two events each, so long ago."""
    now = TrioClock().time()
    for number, ago in enumerate(days):
        body = block(now - ago * DAY, number)
        await database.write(lambda c, n=number, body=body: event_rows.add_block(c, 2 * n + 2, 2, body))


async def test_events_tell_of_nothing_that_is_older_than_what_is_kept(database: Database) -> None:
    await keep_events(database, 40, 30, 20, 5, 1)
    swept = await sweeper(database, keep_days=10).sweep()
    assert 6 == swept.events
    kept = await database.read(lambda c: c.execute("select cast(body as text) from event_blocks").fetchall())
    assert ["event 3", "event 4"] == [json.loads(body)[0]["data"]["text"] for (body,) in kept]


async def test_events_and_log_lines_make_room_before_what_was_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_retention, "_KEPT", 4)
    await keep_events(database, *range(50, 30, -1))
    line = (TrioClock().time(), 20, "agent", "said", "", "", "", "", "", "{}", "x.py", 1)
    await database.write(lambda c: log_rows.add(c, [line] * 10))
    await talk(database, "c_1", days=1)
    swept = await sweeper(database, max_bytes=1).sweep()
    assert (36, 6, 0) == (swept.events, swept.log_lines, swept.sessions)
    assert [2, 4] == await count(database, "event_blocks", "log_lines")


async def test_nothing_goes_for_the_room_that_deleted_words_take_in_the_index(database: Database) -> None:
    """Until the index is written together, what was said in it takes room twice."""
    words = [f"word{number:x}" for number in range(4000)]
    for number in range(60):
        text = " ".join(NOISE.choices(words, k=1500))
        await talk(database, f"c_{number:02}", days=100 - number, text=text)
    size = await database.read(file_size)
    most = size.used - size.used // 8
    swept = await sweeper(database, max_bytes=most, batch=50).sweep()
    assert most * 0.93 < swept.used_bytes <= most
    assert swept.sessions < 12


async def test_the_branch_tells_what_went_and_counts_it(database: Database) -> None:
    await talk(database, "c_1", days=50)
    events = RecordedEvents()
    retention = Retention(database, Runs(run_days=0), events, TrioClock(), sweeper(database, keep_days=10))
    await retention.look()
    await retention.look()
    told = [data for _, kind, data in events.seen if kind == "archive_swept"]
    assert [(1, 1, 2)] == [(data["sessions"], data["conversations"], data["messages"]) for data in told]
    assert set(ArchiveSwept.__struct_fields__) == set(told[0])
    statistics = retention.statistics()
    assert (2, 1, 2) == (statistics.looks, statistics.sessions, statistics.messages)
    assert statistics.used_bytes > 0


async def test_an_older_database_that_is_small_is_made_to_give_room_back(tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    async with open_database(path, Storage()) as database:
        await database.write(lambda connection: connection.execute("insert into meta values ('kept', 1)"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = delete")
        connection.execute("pragma auto_vacuum = none")
        connection.execute("vacuum")
        assert 0 == connection.execute("pragma auto_vacuum").fetchone()[0]
    async with open_database(path, Storage()) as database:
        assert 2 == await database.read(lambda connection: connection.execute("pragma auto_vacuum").fetchone()[0])
        assert 1 == await database.read(lambda c: c.execute("select value from meta where name = 'kept'").fetchone()[0])
