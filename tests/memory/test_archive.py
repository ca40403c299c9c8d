"""What the archive keeps, exactly once, and how it is found again."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.memory import strategies
from tests.memory.samples import AT, NO_CONVERSATION, conversation, run, said
from thane.config.settings import Storage
from thane.errors import ClientError
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord, Holder, MessageRecord, RunFilter, RunRecord, StepRecord
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock
from thane.turn import Message, ToolCall, Usage


class Opened:
    """An archive and the database below it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.archive = Archive(database, TrioClock())

    async def count(self, table: str) -> int:
        return await self.database.read(lambda c: c.execute(f"select count(*) from {table}").fetchone()[0])


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Opened]:
    async with open_database(path, Storage()) as database:
        yield Opened(database)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Opened]:
    async with opened(tmp_path / "thane.db") as it:
        yield it


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_what_was_stored_is_read_as_it_was(data: st.DataObject) -> None:
    run_ = data.draw(strategies.ended_runs("r_1", "c_1"))
    kept = data.draw(st.lists(strategies.message, max_size=4))
    messages = tuple(
        MessageRecord(f"m_{place}", "c_1", "r_1", place, message, AT + place, f"k{place}", f"k{place - 1}")
        for place, message in enumerate(kept)
    )
    talk = conversation(
        "c_1", title=data.draw(strategies.text), user=data.draw(strategies.text), area=data.draw(strategies.text)
    )
    with TemporaryDirectory() as folder:
        async with opened(Path(folder, "thane.db")) as here:
            await here.archive.run_ended(talk, run_, messages)
            assert run_ == await here.archive.run("r_1")
            assert messages == await here.archive.messages("c_1")
            counted = msgspec.structs.replace(talk, message_count=len(messages), run_count=1, turn_count=1)
            assert counted == await here.archive.conversation("c_1")
            light = msgspec.structs.replace(run_, steps=(), tool_calls=())
            assert (light,) == await here.archive.runs()


async def test_a_started_run_is_there_soon_and_follows_its_states(here: Opened) -> None:
    here.archive.run_started(conversation("c_1"), run("r_1", "c_1", "queued"))
    here.archive.run_started(conversation("c_1"), run("r_1", "c_1", "running"))
    await here.database.write(lambda _: None)
    assert run("r_1", "c_1", "running") == await here.archive.run("r_1")
    ended = run("r_1", "c_1", "done", text="It is on.")
    await here.archive.run_ended(conversation("c_1"), ended, ())
    assert ended == await here.archive.run("r_1")
    assert 1 == await here.count("runs")


async def test_a_late_word_of_a_start_does_not_undo_the_end(here: Opened) -> None:
    await here.archive.run_ended(conversation("c_1"), run("r_1", "c_1", "cancelled"), ())
    here.archive.run_started(conversation("c_1"), run("r_1", "c_1", "running"))
    await here.database.write(lambda _: None)
    found = await here.archive.run("r_1")
    assert found is not None
    assert "cancelled" == found.state


async def test_a_history_sent_again_is_stored_once(here: Opened) -> None:
    first = run("r_1", "c_1")
    before = said(first, "turn off the lights", "They are off.")
    await here.archive.run_ended(conversation("c_1"), first, before)
    second = run("r_2", "c_1", at=AT + 1)
    after = said(second, "and the fan", "It is off.", before=before)
    await here.archive.run_ended(conversation("c_1"), second, after)
    assert after == await here.archive.messages("c_1")


async def test_branches_share_their_beginning(here: Opened) -> None:
    first = run("r_1", "c_1")
    trunk = said(first, "hello", "Hello!", "how warm is it", "19 degrees.")
    await here.archive.run_ended(conversation("c_1"), first, trunk)
    edited = run("r_2", "c_1", at=AT + 1)
    branch = said(edited, "how cold is it", "19 degrees.", before=trunk[:2])
    await here.archive.run_ended(conversation("c_1"), edited, branch)
    assert (*trunk, *branch[2:]) == await here.archive.messages("c_1")


async def test_the_same_words_in_two_conversations_are_two_messages(here: Opened) -> None:
    for number in (1, 2):
        run_ = run(f"r_{number}", f"c_{number}")
        await here.archive.run_ended(conversation(f"c_{number}"), run_, said(run_, "hello", "Hello!"))
    assert 2 == len(await here.archive.messages("c_1")) == len(await here.archive.messages("c_2"))


async def test_messages_without_a_key_are_all_kept(here: Opened) -> None:
    run_ = run("r_1", "c_1")
    messages = tuple(MessageRecord(f"m_{n}", "c_1", "r_1", n, Message("user", "hi"), AT) for n in range(3))
    await here.archive.run_ended(conversation("c_1"), run_, messages)
    assert messages == await here.archive.messages("c_1")
    assert () == await here.archive.holders("")


async def test_a_message_without_a_key_is_kept_even_before_one_that_is_stored(here: Opened) -> None:
    first, second = run("r_1", "c_1"), run("r_2", "c_1", at=AT + 1)
    known = said(first, "hello")
    await here.archive.run_ended(conversation("c_1"), first, known)
    unkeyed = MessageRecord("m_1", "c_1", "r_2", 0, Message("system", "be brief"), AT)
    await here.archive.run_ended(conversation("c_1"), second, (unkeyed, *known))
    assert (*known, unkeyed) == await here.archive.messages("c_1")


async def test_a_key_that_comes_twice_in_one_run_is_stored_once(here: Opened) -> None:
    run_ = run("r_1", "c_1")
    messages = said(run_, "hello", "Hello!")
    await here.archive.run_ended(conversation("c_1"), run_, (*messages, *messages))
    assert messages == await here.archive.messages("c_1")


async def test_the_same_run_again_replaces_it(here: Opened) -> None:
    run_ = run("r_1", "c_1", text="one")
    await here.archive.run_ended(conversation("c_1"), run_, said(run_, "hello", "one"))
    unkeyed = MessageRecord("m", "c_1", "r_1", 2, Message("user", "no key"), AT)
    for _ in range(3):
        again = run("r_1", "c_1", text="two")
        messages = (*said(again, "hello", "two"), unkeyed)
        await here.archive.run_ended(conversation("c_1"), again, messages)
        assert messages == await here.archive.messages("c_1")
        assert again == await here.archive.run("r_1")
    found = await here.archive.conversation("c_1")
    assert conversation("c_1", message_count=3, run_count=1, turn_count=1) == found


async def test_half_a_surrogate_pair_does_not_cost_the_turn(here: Opened) -> None:
    half, whole = "\ud83d \ud83d\ude00", "\ufffd \U0001f600"

    def records(odd: str) -> tuple[ConversationRecord, RunRecord, tuple[MessageRecord, ...]]:
        call = ToolCall("call_1", "say", {odd: [odd, 1, None]})
        message = Message("assistant", odd, tool_calls=(call,))
        step = StepRecord(1, odd, "ollama", Usage(1, 2), "stop", AT, 1.5)
        ended = run("r_1", "c_1", text=odd, steps=(step,), usage=Usage(1, 2), finish_reason="stop")
        return conversation("c_1", title=odd), ended, (MessageRecord("m_1", "c_1", "r_1", 0, message, AT, "k"),)

    await here.archive.run_ended(*records(half))
    talk, ended, messages = records(whole)
    assert ended == await here.archive.run("r_1")
    assert messages == await here.archive.messages("c_1")
    found = await here.archive.conversation("c_1")
    assert msgspec.structs.replace(talk, message_count=1, run_count=1, turn_count=1) == found


async def test_a_run_is_stored_as_a_whole_or_not_at_all(here: Opened) -> None:
    run_ = run("r_1", "c_1")
    elsewhere = said(run("r_1", "c_unknown"), "hello")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await here.archive.run_ended(conversation("c_1"), run_, (*said(run_, "hello"), *elsewhere))
    assert [0, 0, 0] == [await here.count(table) for table in ("conversations", "runs", "messages")]


async def test_a_run_is_durable_when_it_is_told_and_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    async with opened(tmp_path / "thane.db") as here:
        run_ = run("r_1", "c_1")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(here.archive.run_ended, conversation("c_1"), run_, said(run_, "hello"))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        await here.archive.run_ended(conversation("c_2"), run("r_2", "c_2"), ())
        other = sqlite3.connect(tmp_path / "thane.db")
        assert [("r_1",), ("r_2",)] == other.execute("select id from runs order by id").fetchall()
        other.close()


async def test_housekeeping_belongs_to_no_conversation(here: Opened) -> None:
    task = run("r_1", "", task="title_generation")
    here.archive.run_started(NO_CONVERSATION, task)
    await here.archive.run_ended(NO_CONVERSATION, task, ())
    assert task == await here.archive.run("r_1")
    assert 0 == await here.archive.count_conversations()


async def test_unfinished_runs_of_the_last_thane_become_interrupted(tmp_path: Path) -> None:
    async with opened(tmp_path / "thane.db") as here:
        here.archive.run_started(conversation("c_1"), run("r_1", "c_1", "queued"))
        here.archive.run_started(conversation("c_1"), run("r_2", "c_1", "running"))
        await here.archive.run_ended(conversation("c_1"), run("r_3", "c_1", "done"), ())
    async with opened(tmp_path / "thane.db") as here:
        assert 2 == await here.archive.recover()
        assert 0 == await here.archive.recover()
        states = {found.id: found.state for found in await here.archive.runs()}
        assert {"r_1": "interrupted", "r_2": "interrupted", "r_3": "done"} == states
        interrupted = await here.archive.run("r_1")
        assert interrupted is not None
        assert "Thane stopped while this turn ran" in interrupted.error


async def test_conversations_come_latest_update_first_in_pages(here: Opened) -> None:
    for number in range(7):
        talk = conversation(f"c_{number}", at=AT + number // 2)  # some at the same moment
        await here.archive.run_ended(talk, run(f"r_{number}", talk.id), ())
    found: list[str] = []
    before = ""
    while page := await here.archive.conversations(limit=3, before=before):
        found += [talk.id for talk in page]
        before = found[-1]
    assert ["c_6", "c_5", "c_4", "c_3", "c_2", "c_1", "c_0"] == found
    assert 7 == await here.archive.count_conversations()
    with pytest.raises(ClientError, match="there is no conversation 'c_99'"):
        await here.archive.conversations(before="c_99")


async def test_a_conversation_keeps_its_beginning_and_its_latest_update(here: Opened) -> None:
    await here.archive.run_ended(conversation("c_1", at=AT + 9), run("r_1", "c_1"), ())
    early = msgspec.structs.replace(conversation("c_1", at=AT + 5, title="New", area="kitchen"), created_at=AT + 5)
    await here.archive.run_ended(early, run("r_2", "c_1"), ())
    found = await here.archive.conversation("c_1")
    assert conversation("c_1", at=AT + 9, title="Lights", area="kitchen", run_count=2, turn_count=2) == found


async def test_runs_come_latest_start_first_of_all_or_one_conversation(here: Opened) -> None:
    for number in range(6):
        talk = conversation(f"c_{number % 2}")
        await here.archive.run_ended(talk, run(f"r_{number}", talk.id, at=AT + number), ())
    assert ["r_5", "r_4", "r_3"] == [found.id for found in await here.archive.runs(limit=3)]
    assert ["r_4", "r_2", "r_0"] == [found.id for found in await here.archive.runs(conversation_id="c_0")]


async def test_holders_are_the_conversations_that_have_a_message_and_say_whether_it_is_their_end(here: Opened) -> None:
    short, long = run("r_1", "c_1"), run("r_2", "c_2")
    begun = said(short, "hello", "Hello!")
    await here.archive.run_ended(conversation("c_1", at=AT + 1), short, begun)
    await here.archive.run_ended(conversation("c_2", at=AT + 2), long, said(long, "hello", "Hello!", "bye", "Bye!"))
    key = begun[-1].key
    expected = (Holder("c_2", AT + 2, is_head=False, channel="owu"), Holder("c_1", AT + 1, is_head=True, channel="owu"))
    assert expected == await here.archive.holders(key)
    assert () == await here.archive.holders("/never said")


async def test_nothing_is_searched_for_row_by_row(tmp_path: Path) -> None:
    """A full scan would make every turn slower with each one that was stored."""
    seen: list[str] = []
    newest = "select content from messages order by number desc limit"  # at the start, and only so many

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(seen.append)

    def untrace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(None)

    def plans(connection: sqlite3.Connection) -> list[str]:
        asked = [sql for sql in seen if sql.strip().startswith(("select", "delete", "update")) and newest not in sql]
        assert len(asked) >= 12
        return [row[3] for sql in asked for row in connection.execute(f"explain query plan {sql}")]

    async with open_database(tmp_path / "thane.db", Storage(readers=1)) as database:
        archive = Archive(database, TrioClock())
        await database.write(trace)
        await database.read(trace)
        run_ = run("r_1", "c_1")
        for _ in range(2):
            await archive.run_ended(conversation("c_1"), run_, said(run_, "hello"))
        await archive.recover()
        await archive.holders("/hello")
        await archive.messages("c_1")
        await archive.run("r_1")
        await archive.runs()
        await archive.runs(conversation_id="c_1")
        await archive.conversations(before="c_1")
        await database.read(untrace)
        await database.write(untrace)
        scans = [line for line in await database.read(plans) if line.startswith("SCAN") and "USING" not in line]
    assert {"SCAN json_each VIRTUAL TABLE INDEX 1:"} == set(scans)


async def test_runs_are_selected_by_every_filter_and_paged_from_behind_one(here: Opened) -> None:
    for number in range(6):
        more = {"model": f"m_{number % 2}", "parent_run_id": "r_0" if number == 5 else ""}
        await here.archive.run_ended(
            conversation(f"c_{number % 3}"), run(f"r_{number}", f"c_{number % 3}", at=AT + number, **more), ()
        )

    async def ids(start: tuple[float, str] | None = None, **wanted: Any) -> list[str]:
        return [found.id for found in await here.archive.runs(wanted=RunFilter(**wanted), start=start)]

    assert ["r_5", "r_4", "r_3", "r_2", "r_1", "r_0"] == await ids()
    assert ["r_3", "r_0"] == await ids(conversation_id="c_0")
    assert ["r_5", "r_3", "r_1"] == await ids(model="m_1")
    assert ["r_5"] == await ids(parent_run_id="r_0")
    assert ["r_3", "r_2"] == await ids(since=AT + 2, until=AT + 3)
    assert [] == await ids(channel="ha")
    assert [] == await ids(state="failed")
    assert ["r_2", "r_1", "r_0"] == await ids((AT + 3, "r_3"), channel="owu", state="done")


async def test_what_was_asked_in_a_run_is_found_whole(here: Opened) -> None:
    run_ = run("r_1", "c_1")
    await here.archive.run_ended(
        conversation("c_1"), run_, said(run_, "lights off, my key is sk-abcdefghijklmnop1234", "ok")
    )
    assert "lights off, my key is [redacted]" == await here.archive.question("c_1", "r_1")
    assert "" == await here.archive.question("c_1", "r_2")
