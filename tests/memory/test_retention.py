"""What is too old or too much goes, what leans on it stays whole, and it is told."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.memory.samples import conversation, run
from thane.config.settings import Runs, Storage
from thane.memory.archive import Archive
from thane.memory.prompts import Packer
from thane.memory.records import SentPrompt, Span, StepRecord, ToolCallRecord
from thane.memory.retention import DAY, Retention, Swept
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock
from thane.testing.events import RecordedEvents
from thane.turn import Message, Prompt, Usage

NOISE = random.Random(7)
SHARED = Message("system", "shared by all")


class Told(RecordedEvents):
    """`told` is set at the first event."""

    def __init__(self) -> None:
        super().__init__()
        self.told = trio.Event()

    def publish(self, source: str, kind: str, /, **data: object) -> None:
        super().publish(source, kind, **data)
        self.told.set()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        yield database


async def store(database: Database, id_: str, *, age_days: float = 0.0, text: str = "") -> None:
    at = TrioClock().time() - age_days * DAY
    step = StepRecord(1, "m", "p", Usage(), "stop", at, 1.0)
    call = ToolCallRecord("call", id_, "c_1", 1, "tool", "{}", "ok", True, at, 0.1)
    record = run(id_, "c_1", at=at, steps=(step,), tool_calls=(call,), spans=(Span("queue", "queue", at, 0.0, "done"),))
    sent = (SentPrompt(0, 1, Prompt((SHARED, Message("user", text or id_)))),)
    await Archive(database, TrioClock(), packer=Packer()).run_ended(conversation("c_1"), record, (), sent)


async def counts(database: Database, *tables: str) -> list[int]:
    return await database.read(lambda c: [c.execute(f"select count(*) from {table}").fetchone()[0] for table in tables])


def retention(database: Database, events: RecordedEvents | None = None, **limits: float) -> Retention:
    return Retention(database, Runs(**limits), events or RecordedEvents(), TrioClock())  # pyright: ignore[reportArgumentType]  whole numbers where they must be


async def test_old_prompts_go_and_the_text_that_newer_ones_share_stays(
    database: Database, autojump_clock: MockClock
) -> None:
    await store(database, "old", age_days=31)
    await store(database, "new", age_days=1)
    swept = await retention(database).sweep()
    assert (0, 1, 1) == (swept.runs, swept.prompts, swept.pieces)
    archive = Archive(database, TrioClock())
    old, new = await archive.run("old"), await archive.run("new")
    assert old is not None
    assert new is not None
    assert ((), 1) == (old.prompts, len(new.prompts))
    prompt = await archive.prompt(new.prompts[0].hash)
    assert prompt is not None
    assert ["shared by all", "new"] == [message["content"] for message in prompt.messages]


async def test_a_run_that_goes_takes_everything_with_it(database: Database, autojump_clock: MockClock) -> None:
    for number in range(7):
        await store(database, f"r_{number}", age_days=400)
    swept = await retention(database, sweep_rows=2).sweep()
    assert (7, 0) == (swept.runs, swept.kept_bytes)
    tables = ("runs", "steps", "tool_calls", "spans", "run_prompts", "prompt_nodes", "prompt_pieces")
    assert [0] * len(tables) == await counts(database, *tables)
    assert [1] == await counts(database, "conversations")


async def test_the_oldest_prompts_make_room(database: Database, autojump_clock: MockClock) -> None:
    for number in range(10):
        await store(database, f"r_{number}", age_days=10 - number, text=NOISE.randbytes(5000).hex())
    swept = await retention(database, prompt_bytes=30_000, sweep_rows=1).sweep()
    assert 20_000 < swept.kept_bytes <= 30_000
    archive = Archive(database, TrioClock())
    kept = [bool(found.prompts) for n in range(10) if (found := await archive.run(f"r_{n}"))]
    assert kept == sorted(kept)
    assert swept.prompts == kept.count(False)


async def test_nothing_goes_where_no_limit_is_set(database: Database, autojump_clock: MockClock) -> None:
    await store(database, "old", age_days=4000)
    assert (0, 0, 0) == (await unlimited(database))[:3]


async def unlimited(database: Database) -> tuple[int, int, int]:
    swept: Swept = await retention(database, run_days=0, prompt_days=0, prompt_bytes=0).sweep()
    return swept.runs, swept.prompts, swept.pieces


async def test_a_run_that_goes_on_is_left_alone(database: Database, autojump_clock: MockClock) -> None:
    at = TrioClock().time() - 500 * DAY
    Archive(database, TrioClock()).run_started(conversation("c_1"), run("r_1", "c_1", "running", at=at))
    swept = await retention(database).sweep()
    assert 0 == swept.runs


async def test_a_long_chain_goes_whole(database: Database, autojump_clock: MockClock) -> None:
    at = TrioClock().time() - 40 * DAY
    sent = (SentPrompt(0, 1, Prompt(tuple(Message("user", f"{n}") for n in range(5000)))),)
    await Archive(database, TrioClock(), packer=Packer()).run_ended(
        conversation("c_1"), run("r", "c_1", at=at), (), sent
    )
    swept = await retention(database).sweep()
    assert (1, 5001, 0) == (swept.prompts, swept.pieces, swept.kept_bytes)
    assert [0, 0] == await counts(database, "prompt_nodes", "prompt_pieces")


async def test_it_looks_again_after_its_pause_and_tells_what_went(
    database: Database, autojump_clock: MockClock
) -> None:
    events = Told()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(retention(database, events, sweep_seconds=60.0).run)
        await trio.sleep(30)
        assert [] == events.seen
        await store(database, "old", age_days=31)
        await events.told.wait()
        assert [("system", "runs_swept", 1)] == [(source, kind, data["prompts"]) for source, kind, data in events.seen]
        nursery.cancel_scope.cancel()
