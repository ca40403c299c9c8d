"""Loops' tasks are turns without a conversation; queued turns are told where they stand; a new title is the loop's."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, Send, echo, rooms, turn
from thane.agent.context import RunContext
from thane.conversations.tasks import profile, quality_floor
from thane.errors import ClientError
from thane.loops.loop import LoopSpec
from thane.loops.pace import Pace
from thane.loops.spec import Task
from thane.turn import ModelStarted, Routed, RunFailed, RunFinished, Turn, Usage

ONCE = Pace(max_iterations=1)


async def test_a_task_is_answered_and_counted_and_leaves_no_conversation(autojump_clock: MockClock) -> None:
    asked = list[Turn]()

    async def answer(turn: Turn, context: RunContext, send: Send) -> RunFinished:
        asked.append(turn)
        return msgspec.structs.replace(await echo(turn, context, send), usage=Usage(9, 4))

    async with rooms(answer) as thane:
        loop = thane.loops.spawn(
            LoopSpec(name="watch", task=Task(text="look", tags=("home",), exclude_tools=("exec",)))
        )
        await trio.sleep(1)
        status = loop.status()
        assert ("sleeping", 1, 9, 4) == (
            status.state,
            status.iterations,
            status.total_input_tokens,
            status.total_output_tokens,
        )
        assert {"state": "done", "answer": "You said look"} == status.recent_iterations[0].summary
        assert (("home",), ("exec",), "thane:local") == (asked[0].tags, asked[0].exclude_tools, asked[0].model)
        (run,) = thane.archive.stored.values()
        assert (loop.id, "", "done", run.id) == (
            run.loop_id,
            run.conversation_id,
            run.state,
            status.recent_iterations[0].run_id,
        )
        assert {} == {id_: record for id_, record in thane.archive.records.items() if id_}


async def test_a_task_that_fails_is_its_loops_error(autojump_clock: MockClock) -> None:
    async def fail(_turn: Turn, context: RunContext, _send: Send) -> RunFailed:
        await trio.lowlevel.checkpoint()
        return RunFailed(context.run_id, "model", "the model is away", Usage(), 0.0)

    async with rooms(fail) as thane:
        loop = thane.loops.spawn(LoopSpec(name="watch", task=Task(text="look"), pace=ONCE))
        await loop.wait_ended()
        assert ("the model is away", 0, 1) == (
            loop.status().last_error,
            loop.status().iterations,
            loop.status().attempts,
        )


async def test_stopping_the_loop_cancels_its_turn(autojump_clock: MockClock) -> None:
    async with rooms(Gate()) as thane:
        loop = thane.loops.spawn(LoopSpec(name="watch", task=Task(text="look")))
        await wait_all_tasks_blocked()
        assert ["watch"] == [run.title for run in thane.conversations.running()]
        assert await thane.loops.stop(loop.id, "api")
        await thane.conversations.wait_idle()
        assert ["cancelled"] == [run.state for run in thane.archive.stored.values()]


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({"local_only": "true"}, "thane:local"),
        ({"local_only": "false", "supervisor": "true"}, "thane:premium"),
        ({"local_only": "false"}, "thane:latest"),
        ({"local_only": "true", "profile": "thane:ops"}, "thane:ops"),
    ],
)
def test_hints_become_a_profile(hints: dict[str, str], expected: str) -> None:
    assert expected == profile(hints)


@pytest.mark.parametrize(("hints", "expected"), [({}, 0), ({"quality_floor": "6"}, 6), ({"quality_floor": "high"}, 0)])
def test_a_wish_for_quality_is_a_number_or_none(hints: dict[str, str], expected: int) -> None:
    assert expected == quality_floor(hints)


async def test_the_quality_that_a_loop_wishes_for_reaches_its_turn(autojump_clock: MockClock) -> None:
    floors = list[int]()

    async def answer(turn: Turn, context: RunContext, send: Send) -> RunFinished:
        floors.append(turn.quality_floor)
        return await echo(turn, context, send)

    async with rooms(answer) as thane:
        loop = thane.loops.spawn(LoopSpec(name="watch", task=Task(text="look", quality_floor=6), pace=ONCE))
        await loop.wait_ended()
    assert [6] == floors


async def test_turns_that_wait_are_told_when_they_move_up(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate) as thane, trio.open_nursery() as nursery:
        for text in ("one", "two", "three", "four"):
            nursery.start_soon(thane.ask, turn(text, conversation_id="c", continues=True))
            await wait_all_tasks_blocked()
        waiting = [run.run_id for run in thane.conversations.running()][1:]
        positions = [(data["run_id"], data["position"]) for data in thane.events.of("loop_queued")]
        assert [(waiting[0], 1), (waiting[1], 2), (waiting[2], 3)] == positions
        assert thane.conversations.cancel(waiting[1], "api")
        assert (waiting[2], 2) == tuple(thane.events.of("loop_queued")[-1][name] for name in ("run_id", "position"))
        gate.open.set()
        await trio.sleep(1)
        assert (waiting[2], 1) == tuple(thane.events.of("loop_queued")[-1][name] for name in ("run_id", "position"))


async def test_turns_that_wait_for_a_slot_are_told_when_they_move_up(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, max_running=1) as thane, trio.open_nursery() as nursery:
        for text in ("one", "two", "three", "four"):
            nursery.start_soon(thane.ask, turn(text))
            await wait_all_tasks_blocked()
        third = thane.conversations.running()[2].run_id
        gate.open.set()
        await trio.sleep(1)
        assert [2, 1] == [data["position"] for data in thane.events.of("loop_queued") if data["run_id"] == third]


async def test_so_many_at_the_front_are_told_each_step_as_the_setting_says(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, max_running=1, told_places=1) as thane, trio.open_nursery() as nursery:
        for text in ("one", "two", "three", "four"):
            nursery.start_soon(thane.ask, turn(text))
            await wait_all_tasks_blocked()
        first, third = (thane.conversations.running()[place].run_id for place in (1, 3))
        assert thane.conversations.cancel(first, "api")
        await wait_all_tasks_blocked()
        assert [3] == [data["position"] for data in thane.events.of("loop_queued") if data["run_id"] == third]
        assert 1 == thane.events.of("loop_queued")[-1]["position"]
        gate.open.set()


async def test_when_too_many_wait_in_all_the_next_is_refused_with_503(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, max_running=1, max_waiting=2) as thane, trio.open_nursery() as nursery:
        for text in ("one", "two", "three"):
            nursery.start_soon(thane.ask, turn(text))
            await wait_all_tasks_blocked()
        loops = len(thane.loops.statuses())
        with pytest.raises(ClientError) as refused:
            await thane.ask(turn("four"))
        assert (503, "overloaded", True) == (
            refused.value.status,
            refused.value.code,
            (refused.value.retry_after or 0) > 0,
        )
        assert loops == len(thane.loops.statuses()), "a refused turn leaves no loop"
        gate.open.set()
        await trio.sleep(1)
        await thane.ask(turn("five"))


async def test_a_better_title_is_the_loops_too(autojump_clock: MockClock) -> None:
    async with rooms() as thane:
        asked = await thane.ask(turn("what is the weather like"))
        assert await thane.conversations.shelf.rename(asked.conversation_id, "Weather")
        status = thane.loops.statuses()[-1]
        assert ("owu/Weather", "Weather") == (status.name, status.metadata["title"])
        (renamed,) = thane.events.of("loop_renamed")
        assert ("owu/what is the weather like", "Weather") == (renamed["before"], renamed["title"])


async def test_a_loop_says_what_its_model_is_asked_and_how_hard_it_is(autojump_clock: MockClock) -> None:
    async def routed(turn: Turn, context: RunContext, send: Send) -> RunFinished:
        await send((Routed("m", "p", "the best", complexity="complex", intent="question"),))
        await send((ModelStarted(1, "m", "p", 3, 2, 900, "the best"),))
        return await echo(turn, context, send)

    async with rooms(routed) as thane:
        await thane.ask(turn("why"))
        (asked,) = thane.events.of("loop_llm_start")
        assert {
            "complexity": "complex",
            "intent": "question",
            "est_tokens": 900,
            "iteration": 1,
        }.items() <= asked.items()
