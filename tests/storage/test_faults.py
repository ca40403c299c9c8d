"""The disk fails at any one statement of a change: it is made whole or not at all, and the file is sound."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from tests.memory.samples import AT, conversation, run, said
from tests.storage.faulty import DAY, NOW, Failing, House, Work, change, contents, fail_connections, opened
from tests.storage.test_killing import integrity
from tests.storage.test_released import RELEASED, build
from thane.errors import DependencyError
from thane.ledger.entry import LedgerEntry
from thane.memory.checkpoints import Part
from thane.memory.fact import Asker, Fact, NewFact
from thane.memory.intake import take_in
from thane.memory.records import MessageRecord, RunRecord, SentPrompt, Span, StepRecord, ToolCallRecord
from thane.memory.sessions import Described, SessionRecord
from thane.storage import decision_rows, event_rows, log_rows
from thane.turn import Message, Prompt, Usage

LATER = {"spans", "run_prompts", "prompt_nodes", "prompt_pieces", "words"}
"""Tables of what only explains a turn: written in a transaction of its own (`Database.later`)."""


def whole_run(id_: str, conversation_id: str, at: float) -> RunRecord:
    call = ToolCallRecord("call_1", id_, conversation_id, 1, "HassTurnOn", "{}", "done", True, at, 0.1)
    step = StepRecord(1, "m", "llama", Usage(7, 5), "stop", at, 1.0)
    span = Span("queue", "queue", at, 0.0, "done")
    return run(id_, conversation_id, at=at, steps=(step,), tool_calls=(call,), spans=(span,))


def spoken(ended: RunRecord, *texts: str, before: Sequence[MessageRecord] = ()) -> list[MessageRecord]:
    return [msgspec.structs.replace(each, at=ended.started_at) for each in said(ended, *texts, before=before)]


async def turn(house: House) -> object:
    ended = whole_run("r_9", "c_1", NOW)
    house.archive.run_started(conversation("c_1", at=NOW), run("r_9", "c_1", "running", at=NOW))
    paid = house.ledger.charge(LedgerEntry("r_9", 0, NOW, "owu", "llama", "m", Usage(7, 5), "c_1"))
    return await house.archive.run_ended(
        conversation("c_1", at=NOW),
        ended,
        spoken(ended, "and the garden lamp?", "It is off."),
        (SentPrompt(0, 1, Prompt((Message("user", "and the garden lamp?"),))),),
        (house.ledger.keep("r_9", (paid,)),),
    )


async def started(house: House) -> object:
    house.archive.run_started(conversation("c_9", at=NOW), run("r_9", "c_9", "running", at=NOW))
    return await house.database.write(lambda connection: connection.execute("select 1"))


async def recover(house: House) -> object:
    return await house.archive.recover()


async def delete(house: House) -> object:
    return await house.archive.delete("c_1")


async def rename(house: House) -> object:
    return await house.archive.name("c_1", "Lamps of the garden", "person")


async def put_away(house: House) -> object:
    return await house.archive.put_away("c_1", away=True)


async def mark(house: House) -> object:
    record = MessageRecord(
        "m_9", "c_1", "", 3, Message("system", "They spoke of lanterns"), NOW, "mark:summary:m_9", ""
    )
    return await house.archive.add_message(record)


async def split(house: House) -> object:
    session = next(each for each in await house.archive.sessions.list(conversation_id="c_1"))
    return await house.archive.sessions.split(session.id, "r_1-1")


async def close(house: House) -> object:
    return await house.archive.sessions.close("c_1", "reset", "we spoke of lamps")


async def end_idle(house: House) -> object:
    return await house.archive.sessions.end_idle()


async def describe(house: House) -> object:
    (session, *_) = await house.archive.sessions.list(conversation_id="c_1")
    return await house.archive.sessions.describe(session.id, Described("Lamps", "On and off", ("light",), {"x": 1}))


async def restore(house: House) -> object:
    (*_, checkpoint) = await house.archive.checkpoints.list()
    return await house.archive.checkpoints.restore(checkpoint.id)


async def restore_one(house: House) -> object:
    (*_, checkpoint) = await house.archive.checkpoints.list()
    return await house.archive.checkpoints.restore(checkpoint.id, frozenset({"c_2"}))


async def checkpoint(house: House) -> object:
    return await house.archive.checkpoints.create("manual")


async def adopt(house: House) -> object:
    (*_, made) = await house.archive.checkpoints.list()
    parts = [
        Part(part.kind, f"{part.name}x", part.hash, part.state)
        for part in await house.archive.checkpoints.parts(made.id)
    ]
    return await house.archive.checkpoints.adopt("import", "from afar", AT, parts)


async def delete_checkpoint(house: House) -> object:
    (*_, made) = await house.archive.checkpoints.list()
    return await house.archive.checkpoints.delete(made.id)


async def import_conversation(house: House) -> object:
    ended = whole_run("r_8", "c_8", AT)
    session = SessionRecord("s_8", "c_8", AT, AT, AT, "reset")
    return await take_in(
        house.database, conversation("c_8"), [(session, ended, spoken(ended, "good morning", "Hello."))]
    )


async def recall(house: House) -> object:
    await house.facts.recall(Asker("", "c_1", "r_2"), "bin")
    return await house.database.write(lambda connection: connection.execute("select 1"))


async def remember(house: House) -> object:
    return await house.facts.remember(NewFact("house", "", "home", "bin day", "Thursday", "person", "r_1"))


async def forget(house: House) -> object:
    fact = (await house.facts.list(equal={"key": "bin day"}, limit=1))[0]
    return await house.facts.forget(fact.id)


async def erase(house: House) -> object:
    fact = (await house.facts.list(equal={"key": "bin day"}, limit=1))[0]
    return await house.facts.erase(fact.id)


async def import_facts(house: House) -> object:
    fact = Fact(
        "f_9", "house", "", "device", "boiler", "in the attic", "import", "", 1.0, AT, AT, None, None, "current", ""
    )
    return await house.facts.take_in([fact, msgspec.structs.replace(fact, id="f_10", key="fuse box")])


async def balance(house: House) -> object:
    return await house.ledger.set_balance(12.5)


async def embedding(house: House) -> object:
    return await house.ledger.record(LedgerEntry("r_emb", 0, NOW, "api", "llama", "e", Usage(7), role="embedding"))


async def note_call(house: House) -> object:
    entry = LedgerEntry("r_open", 0, NOW, "owu", "llama", "m", Usage(7, 5), "c_3")
    house.ledger.note("r_open", (entry,), msgspec.structs.replace(entry, place=1))
    return await house.database.write(lambda connection: connection.execute("select 1"))


async def decision(house: House) -> object:
    row = ("r_9", "simple", "m", "llama", 1, 0.5, 12, "{}")
    return await house.database.write(lambda connection: decision_rows.store_decision(connection, row, 1))


async def log_lines(house: House) -> object:
    row = (NOW, 20, "agent", "said", "r_1", "c_1", "", "", "", "{}", "x.py", 1)
    return await house.database.write(lambda connection: log_rows.add(connection, [row, row]))


async def events(house: House) -> object:
    def store(connection: sqlite3.Connection) -> None:
        event_rows.store_last_seq(connection, 99)
        event_rows.add_block(connection, 99, 3, b"block")
        event_rows.delete_blocks_beyond(connection, 1)

    return await house.database.write(store)


async def prepare(path: Path) -> None:
    """Sessions of long ago and of late, a checkpoint from between, facts, costs, and a turn that goes on."""
    async with opened(path, seed=2) as house:
        archive = house.archive
        for name, at in (("c_1", AT), ("c_2", AT + DAY), ("c_2", AT + 90 * DAY), ("c_3", AT + 95 * DAY)):
            id_ = f"r_{name[-1]}" if at < AT + 50 * DAY else f"r_{name[-1]}b"
            ended = whole_run(id_, name, at)
            sent = (SentPrompt(0, 1, Prompt((Message("system", "shared"), Message("user", f"turn on lamp {id_}")))),)
            paid = house.ledger.charge(LedgerEntry(id_, 0, at, "owu", "llama", "m", Usage(7, 5), name))
            new = spoken(ended, f"turn on lamp {id_}", f"It is bright {id_}.")
            await archive.run_ended(conversation(name, at=at), ended, new, sent, (house.ledger.keep(id_, (paid,)),))
            if at == AT + DAY:
                await archive.checkpoints.create("periodic")
        await house.facts.remember(NewFact("house", "", "home", "bin day", "Tuesday", "person", "r_1"))
        await house.facts.remember(NewFact("conversation", "c_1", "home", "mood", "cheerful", "model", "r_1"))
        row = ("r_1", "simple", "m", "llama", 1, 0.5, 12, "{}")
        await house.database.write(lambda connection: decision_rows.store_decision(connection, row, 9))
        archive.run_started(conversation("c_3", at=NOW), run("r_open", "c_3", "running", at=NOW))


ATOMIC: Sequence[Work] = (
    *(turn, started, recover, delete, rename, put_away, mark, split, close, end_idle, describe),
    *(restore, restore_one, checkpoint, adopt, delete_checkpoint, import_conversation),
    *(recall, remember, forget, erase, import_facts, balance, embedding, note_call, decision, log_lines, events),
)
"""Every change that is one transaction."""


@pytest.fixture
async def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fail_connections(monkeypatch)
    path = tmp_path / "origin.db"
    await prepare(path)
    return path


def core(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: rows for table, rows in contents(path).items() if table not in LATER}


@pytest.mark.parametrize("work", ATOMIC, ids=lambda work: work.__name__)
async def test_all_or_nothing_at_every_statement(origin: Path, work: Work) -> None:
    whole = origin.with_name("whole.db")
    before = core(origin)
    shutil.copy(origin, whole)
    assert await change(whole, work)
    after, everything = core(whole), contents(whole)
    assert before != after, "the change changes nothing"
    outcomes: set[str] = set()
    for number in range(400):
        path = origin.with_name(f"{number}.db")
        shutil.copy(origin, path)
        done = await change(path, work, number)
        now = core(path)
        assert "ok" == integrity(path)
        assert now in (before, after), f"half done at statement {number}"
        if done:
            assert everything == contents(path)
            break
        outcomes.add("after" if now == after else "before")
        with suppress(OSError):
            path.unlink()
    else:
        pytest.fail("it never ended")
    assert number > 1
    assert "before" in outcomes or work in (
        started,
        recall,
        note_call,
    )  # of which nobody is told, so that it is tried again alone


async def sweep(house: House) -> object:
    return await house.retention.look()


async def test_a_sweep_that_fails_at_any_statement_leaves_all_sound_and_ends_like_any_other(origin: Path) -> None:
    """It is many transactions, so that it may end between two of them; the next one does the rest."""
    whole = origin.with_name("whole.db")
    shutil.copy(origin, whole)
    assert await change(whole, sweep)
    after = contents(whole)
    kept = {id_ for id_, *_ in after["sessions"]}
    assert kept < {id_ for id_, *_ in contents(origin)["sessions"]}
    for number in range(0, 600, 3):
        path = origin.with_name("part.db")
        shutil.copy(origin, path)
        done = await change(path, sweep, number)
        assert "ok" == integrity(path)
        assert kept <= {id_ for id_, *_ in contents(path)["sessions"]}
        assert contents(path)["facts"] == after["facts"]
        assert contents(path)["ledger"] == after["ledger"]
        assert await change(path, sweep)
        assert after == contents(path)
        if done:
            break
    else:
        pytest.fail("it never ended")
    assert number > 20


@pytest.mark.parametrize("dump", RELEASED, ids=lambda dump: dump.stem)
async def test_a_migration_that_fails_at_any_statement_is_done_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dump: Path
) -> None:
    fail_connections(monkeypatch)
    origin, whole = tmp_path / "origin.db", tmp_path / "whole.db"
    build(dump, origin)
    shutil.copy(origin, whole)
    Failing.count = 0
    async with opened(whole):
        statements = Failing.count
    after = contents(whole)
    for number in range(0, statements, 7):
        path = tmp_path / "part.db"
        for side in ("", "-wal", "-shm", ".lock"):
            path.with_name(f"part.db{side}").unlink(missing_ok=True)
        shutil.copy(origin, path)
        Failing.left = number
        with suppress(DependencyError, sqlite3.OperationalError):
            async with opened(path):
                pass
        Failing.left = -1
        async with opened(path):
            pass
        assert "ok" == integrity(path)
        assert after == contents(path)


def test_the_double_says_what_sqlite_says() -> None:
    """The error code is what is looked at (`thane.storage.connection`)."""
    Failing.left = 0
    with closing(sqlite3.connect(":memory:", factory=Failing)) as connection:
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("select 1")
        assert sqlite3.SQLITE_IOERR == caught.value.sqlite_errorcode
        assert 1 == connection.execute("select 1").fetchone()[0]
