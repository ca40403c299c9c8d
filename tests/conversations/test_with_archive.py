"""The tracker on the real archive: what was said is on disk, and found again after a restart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from tests.conversations.doubles import Gate, Rooms, Script, Send, assistant, echo, rooms, say, turn
from thane.agent.context import RunContext
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord
from thane.storage.database import open_database
from thane.turn import RunFinished, Turn


@asynccontextmanager
async def house(path: Path, script: Script = echo, seed: int = 0, **more: Any) -> AsyncGenerator[tuple[Rooms, Archive]]:
    async with open_database(path / "thane.db", Storage()) as database:
        archive = Archive(database, SystemClock())
        await archive.recover()
        async with rooms(script, archive=archive, seed=seed, **more) as found:
            yield found, archive


async def test_a_chat_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, archive):
        first = await thane.ask(turn("one"))
        assert "done" == (await archive.runs())[0].state
    async with house(tmp_path, seed=1) as (thane, archive):
        second = await thane.ask(turn("one", assistant("You said one"), "two"))
        assert first.conversation_id == second.conversation_id
        messages = await archive.messages(first.conversation_id)
        assert ["one", "You said one", "two", "You said two"] == [each.message.content for each in messages]
        record = await archive.conversation(first.conversation_id)
        assert record is not None
        assert (4, 2, "one") == (record.message_count, record.run_count, record.title)


async def test_two_chats_that_begin_alike_are_told_apart_on_disk_too(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, archive):
        first = [(await thane.ask(turn("hi"))).conversation_id for _ in range(2)]
        third = await thane.ask(turn("hi", assistant("You said hi"), "more"))
        assert 3 == len({*first, third.conversation_id})
        assert 3 == await archive.count_conversations()


async def test_a_home_assistants_trimmed_history_is_known_again_after_a_restart(tmp_path: Path) -> None:
    messages = [each for number in range(4) for each in (f"say {number}", f"You said say {number}")]
    said = [each if index % 2 == 0 else assistant(each) for index, each in enumerate(messages)]
    async with house(tmp_path) as (thane, _):
        asked = [await thane.ask(turn(*said[: 2 * number + 1], channel="ha")) for number in range(4)]
        assert 1 == len({each.conversation_id for each in asked})
    async with house(tmp_path, seed=1) as (thane, _):
        answer = await thane.ask(turn(*said[4:], "say 4", channel="ha"))
        assert asked[0].conversation_id == answer.conversation_id


async def test_after_a_crash_in_a_home_assistants_turn_nobody_is_known_by_a_trimmed_history(tmp_path: Path) -> None:
    trimmed = "two", assistant("You said two"), "three"
    for crashes in (False, True):
        folder = tmp_path / str(crashes)
        folder.mkdir()
        async with house(folder) as (thane, archive):
            await thane.ask(turn("one", channel="ha"))
            asked = await thane.ask(turn("one", assistant("You said one"), "two", channel="ha"))
            run = (await archive.runs())[0]
            if crashes:
                lost = msgspec.structs.replace(run, id="r_lost", state="running")
                archive.run_started(ConversationRecord("c_lost", "ha", "", run.started_at, run.started_at), lost)
        async with house(folder, seed=1) as (thane, _):
            answer = await thane.ask(turn(*trimmed, channel="ha"))
            assert (asked.conversation_id == answer.conversation_id) == (not crashes)


async def test_regenerating_stores_the_question_once(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, archive):
        await thane.ask(turn("one", conversation_id="a"))

        async def otherwise(asked: Turn, context: RunContext, send: Send) -> RunFinished:
            return await say("Something else", asked, context, send)

        thane.agent.script = otherwise
        await thane.ask(turn("one", conversation_id="a"))
        said = await archive.messages("owu:a")
        assert ["one", "You said one", "Something else"] == [each.message.content for each in said]
        assert said[1].parent_key == said[2].parent_key == said[0].key
        assert 2 == len(await archive.runs(conversation_id="owu:a"))


async def test_cancelled_runs_are_on_disk_with_what_they_had_queued_ones_too(tmp_path: Path) -> None:
    async with house(tmp_path, Gate()) as (thane, archive), trio.open_nursery() as nursery:
        for text in ("one", "two"):
            nursery.start_soon(thane.ask, turn(text, conversation_id="a"))
            await wait_all_tasks_blocked(0.01)
        running, queued = thane.conversations.running()
        for run in (queued, running):
            assert thane.conversations.cancel(run.run_id, "api")
        await thane.conversations.wait_idle()
        found = await archive.runs(conversation_id="owu:a")
        assert [("cancelled", "api", ""), ("cancelled", "api", "one")] == [
            (run.state, run.cancelled_by, run.text) for run in found
        ]
        said = await archive.messages("owu:a")
        assert [("assistant", "one"), ("user", "one"), ("user", "two")] == sorted(
            (each.message.role, each.message.content) for each in said
        )


async def test_housekeeping_runs_are_on_disk_without_a_conversation(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, archive):
        await thane.ask(turn("### Task:\nGenerate a concise title summarizing the chat history."))
        (run,) = await archive.runs()
        assert ("title_generation", "", "done", '{"title":""}') == (run.task, run.conversation_id, run.state, run.text)
        assert 0 == await archive.count_conversations()


async def test_the_note_of_a_closed_session_reaches_the_next(tmp_path: Path) -> None:
    told: list[str] = []

    async def listen(turn: Turn, context: RunContext, send: Send) -> RunFinished:
        told.append(context.handoff)
        return await echo(turn, context, send)

    async with house(tmp_path, listen) as (thane, archive):
        first = await thane.ask(turn("one"))
        await archive.sessions.close(first.conversation_id, "done", handoff="we chose the lamp")
        await thane.ask(turn("one", assistant("You said one"), "two"))
        assert ["", "we chose the lamp"] == told
