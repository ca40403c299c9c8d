"""After a restart, the loops of recent conversations are there as they were."""

from __future__ import annotations

from pathlib import Path

import msgspec
import trio

from tests.conversations.doubles import FakeArchive, Send, assistant, echo, finished, rooms, turn
from tests.conversations.test_with_archive import house
from thane.agent.context import RunContext
from thane.conversations.revival import past
from thane.loops.status import LoopStatus
from thane.memory.lately import Lately, LateRun
from thane.memory.records import ConversationRecord
from thane.turn import ModelFinished, ModelStarted, RunFinished, Turn, Usage


async def thinks(_turn: Turn, context: RunContext, _send: Send) -> RunFinished:
    await trio.lowlevel.checkpoint()
    return msgspec.structs.replace(finished(context, "yes"), usage=Usage(7, 3))


def without_ids(status: LoopStatus) -> LoopStatus:
    """A loop that comes back is another loop: what is compared is what it shows of its work."""
    recent = tuple(msgspec.structs.replace(each, completed_at="", elapsed_ms=0) for each in status.recent_iterations)
    return msgspec.structs.replace(
        status,
        id="",
        parent_id="",
        started_at="",
        last_wake_at="",
        state_since=0,
        config={},
        recent_iterations=tuple(msgspec.structs.replace(each, started_at="") for each in recent),
    )


async def test_a_recent_conversations_loop_comes_back_with_its_title_tokens_and_turns(tmp_path: Path) -> None:
    async with house(tmp_path, thinks) as (thane, _):
        await thane.ask(turn("one"))
        await thane.ask(turn("one", assistant("yes"), "two"))
        before = thane.loops.statuses()[-1]
    async with house(tmp_path, thinks, seed=1) as (thane, archive):
        after = thane.loops.statuses()[-1]
        assert ("owu/one", 2, 14, 6) == (
            after.name,
            after.iterations,
            after.total_input_tokens,
            after.total_output_tokens,
        )
        assert without_ids(before) == without_ids(msgspec.structs.replace(after, state="waiting"))
        again = await thane.ask(turn("one", assistant("yes"), "two", assistant("yes"), "three"))
        assert before.recent_conv_ids[0] == again.conversation_id
        assert 3 == thane.loops.statuses()[-1].iterations
        assert 3 == len(await archive.runs()), "no turn is invented"


async def test_a_conversation_that_was_idle_comes_back_with_what_it_had_done(tmp_path: Path) -> None:
    async with house(tmp_path, thinks, max_live=1) as (thane, _):
        await thane.ask(turn("one"))
        await thane.ask(turn("another"))
        assert ["owu/another"] == [each.name for each in thane.loops.statuses() if "/" in each.name]
        await thane.ask(turn("one", assistant("yes"), "two"))
        after = next(each for each in thane.loops.statuses() if each.name == "owu/one")
        assert (2, 14, 6, 2) == (
            after.iterations,
            after.total_input_tokens,
            after.total_output_tokens,
            len(after.recent_iterations),
        )


async def test_how_full_the_models_context_was_comes_back_too(tmp_path: Path) -> None:
    async def steps(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
        for step, tokens in ((1, 100), (2, 140)):
            await send((ModelStarted(step, "m", "p", 1, 0, tokens, ""),))
            await send((ModelFinished(step, "m", "p", Usage(tokens, 10), "stop", 0.1),))
        return msgspec.structs.replace(finished(context, "yes"), usage=Usage(240, 20), model="m")

    async with house(tmp_path, steps) as (thane, _):
        await thane.ask(turn("one"))
        assert 150 == thane.loops.statuses()[-1].context_tokens
    window = {"m": 0}
    async with house(tmp_path, steps, seed=1, context_of=window.__getitem__) as (thane, _):
        status = thane.loops.statuses()[-1]
        assert (150, 0) == (status.context_tokens, status.context_window)
        window["m"] = 8192  # its server has answered
        assert 8192 == thane.loops.statuses()[-1].context_window


async def test_the_one_that_was_used_last_makes_room_last(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, _):
        for text in ("one", "two", "three"):
            await thane.ask(turn(text))
    async with house(tmp_path, seed=1) as (thane, _):
        assert ["owu/one", "owu/two", "owu/three"] == [loop.name for loop in thane.loops.statuses()[3:]]


async def test_what_is_old_or_put_away_does_not_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, archive):
        asked = await thane.ask(turn("one"))
        await thane.ask(turn("two"))
        await archive.put_away(asked.conversation_id, away=True)
        now = (await archive.runs())[0].started_at
        assert ["two"] == [each.record.title for each in await archive.lately(since=now - 60, most=9, runs=9)]
        assert () == await archive.lately(since=now + 60, most=9, runs=9)


async def test_no_more_come_back_than_may_live() -> None:
    record = ConversationRecord("c", "owu", "t", 1_800_000_000.0, 1_800_000_000.0)
    archive_of = [Lately(msgspec.structs.replace(record, id=f"c{number}")) for number in range(5)]
    archive = FakeArchive()
    archive.earlier = tuple(archive_of)
    async with rooms(echo, archive=archive, max_live=3) as thane:
        assert 3 == len(thane.loops.statuses()) - 3


def test_failed_runs_have_no_number_and_those_before_keep_theirs() -> None:
    record = ConversationRecord("c", "owu", "t", 0.0, 0.0)
    run = LateRun("r", "done", 1.0, 0.5, "m", 1, 1, "", "", {"t": 2})
    failed = msgspec.structs.replace(run, state="failed", error="broke")
    cancelled = msgspec.structs.replace(run, state="cancelled", cancelled_by="api")
    found = past(Lately(record, 9, 12, 1, 1, 0.5, (run, failed, cancelled)))
    assert [(9, ""), (0, "broke"), (8, "")] == [(each.number, each.error) for each in found.recent]
    assert 0.5 == found.cost_usd
    assert (9, 12, 1.0, {"t": 2}) == (found.iterations, found.attempts, found.last_wake_at, found.recent[0].tools_used)
    assert {"state": "cancelled", "cancelled_by": "api"} == found.recent[2].summary


async def test_a_loop_says_who_speaks_and_where(tmp_path: Path) -> None:
    asked = turn("hi", channel="ha", person="Anna")
    asked = msgspec.structs.replace(asked, caller=msgspec.structs.replace(asked.caller, area="Kitchen"))
    async with house(tmp_path, thinks) as (thane, _):
        await thane.ask(asked)
    async with house(tmp_path, thinks, seed=1) as (thane, _):
        metadata = thane.loops.statuses()[-1].metadata
        assert ("Anna", "Kitchen") == (metadata["user"], metadata["area"])
