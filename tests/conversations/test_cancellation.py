"""Cancelled means stopped, recorded and over, whoever cancels and wherever the turn is."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import FakeArchive, Gate, Rooms, Send, assistant, echo, finished, rooms, turn
from thane.agent.context import RunContext
from thane.testing.cancellation import run_cancelled_at
from thane.turn import ModelStarted, RunFailed, RunFinished, RunStarted, Text, ToolCall, ToolStarted, Turn


async def stuck(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
    """Says a little, starts a tool, and never ends."""
    await send((RunStarted(context.run_id, context.conversation_id, "owu", "thane:latest"),))
    await send((ModelStarted(1, "qwen", "ollama", 2, 3, 40),))
    await send((Text("The light"),))
    await send((Text(" is"),))
    await send((ToolStarted(1, ToolCall("call_1", "light", {"on": True})),))
    return await trio.sleep_forever()


async def leave(house: Rooms, scope: trio.CancelScope) -> None:
    scope.cancel()


async def press_stop(house: Rooms, _scope: trio.CancelScope) -> None:
    assert house.conversations.cancel(house.conversations.running()[0].run_id, "dashboard")


async def call_api(house: Rooms, _scope: trio.CancelScope) -> None:
    assert house.conversations.cancel(house.conversations.running()[0].run_id, "api")


async def stop_loop(house: Rooms, _scope: trio.CancelScope) -> None:
    await house.loops.stop(house.loops.statuses()[-1].id, "dashboard")


async def stop_parent(house: Rooms, _scope: trio.CancelScope) -> None:
    await house.loops.stop(house.loops.statuses()[0].id, "api")


async def shut_down(house: Rooms, _scope: trio.CancelScope) -> None:
    assert house.conversations.cancel(house.conversations.running()[0].run_id, "shutdown")


@pytest.mark.parametrize(
    ("how", "by"),
    [
        (leave, "client"),
        (press_stop, "dashboard"),
        (call_api, "api"),
        (stop_loop, "dashboard"),
        (stop_parent, "api"),
        (shut_down, "shutdown"),
    ],
)
async def test_a_cancelled_run_is_recorded_at_once_with_what_it_had_and_the_conversation_goes_on(
    how: Callable[[Rooms, trio.CancelScope], Awaitable[None]], by: str, autojump_clock: MockClock
) -> None:
    finals = list[object]()
    async with rooms(stuck) as house, trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def client() -> None:
            with scope:
                finals.append((await house.ask(turn("Is the light on?", conversation_id="same"))).final)

        nursery.start_soon(client)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        await how(house, scope)
        await house.conversations.wait_idle()
        assert trio.current_time() - began < 0.05
        (run,) = house.archive.stored.values()
        assert ("cancelled", by, "The light is", "cancelled", "qwen") == (
            run.state,
            run.cancelled_by,
            run.text,
            run.failure,
            run.model,
        )
        assert (40, 2, True) == (run.usage.input_tokens, run.usage.output_tokens, run.usage.estimated)
        assert [("light", False)] == [(call.name, call.ok) for call in run.tool_calls]
        assert [("user", "Is the light on?"), ("assistant", "The light is")] == [
            (each.message.role, each.message.content) for each in house.archive.said
        ]
        assert [by] == [data["by"] for data in house.events.of("request_cancelled")]
        assert [] == house.events.of("loop_error")
        assert 0 == house.agent.running
        house.agent.script = echo
        again = await house.ask(turn("And now?", conversation_id="same"))
        assert isinstance(again.final, RunFinished)
        assert "owu:same" == again.conversation_id
        assert ("waiting", 0) == (house.loops.statuses()[-1].state, house.loops.statuses()[-1].consecutive_errors)
    if by == "client":
        assert [] == finals
    else:
        (final,) = finals
        assert isinstance(final, RunFailed)
        assert ("cancelled", True) == (final.failure, final.message.startswith("The turn was stopped"))


async def test_a_queued_turn_that_is_cancelled_leaves_the_queue_at_once_and_never_runs(
    autojump_clock: MockClock,
) -> None:
    gate, finals = Gate(), dict[str, object]()
    async with rooms(gate) as house, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            finals[text] = (await house.ask(turn(text, conversation_id="same"))).final

        for text in ("one", "two", "three"):
            nursery.start_soon(ask, text)
            await wait_all_tasks_blocked()
        house.archive.delay = 1  # recording takes its time; leaving the queue does not
        two = house.conversations.running()[1]
        assert house.conversations.cancel(two.run_id, "dashboard")
        assert [("processing", 0), ("queued", 1)] == [
            (run.state, run.position) for run in house.conversations.running() if run.run_id != two.run_id
        ]
        assert not house.conversations.cancel(two.run_id, "dashboard")
        gate.open.set()
    assert ["one", "three"] == [each.messages[-1].content for each in house.agent.turns]
    assert isinstance(finals["two"], RunFailed)
    assert "cancelled" == house.archive.stored[two.run_id].state
    assert isinstance(finals["three"], RunFinished)


async def test_a_client_that_leaves_the_queue_makes_room_in_it(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, queue_turns=1) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.ask, turn("one", conversation_id="same"))
        await wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await house.ask(turn("two", conversation_id="same"))
        nursery.start_soon(house.ask, turn("three", conversation_id="same"))
        await wait_all_tasks_blocked()
        gate.open.set()
    assert ["cancelled", "done", "done"] == sorted(run.state for run in house.archive.stored.values())


async def test_a_turn_that_waits_for_a_slot_can_be_cancelled_and_the_slot_goes_to_the_next(
    autojump_clock: MockClock,
) -> None:
    gate = Gate()
    async with rooms(gate, max_running=1) as house, trio.open_nursery() as nursery:
        for text in ("one", "two", "three"):
            nursery.start_soon(house.ask, turn(text))
            await wait_all_tasks_blocked()
        assert house.conversations.cancel(house.conversations.running()[1].run_id, "api")
        await wait_all_tasks_blocked()
        assert [("processing", 0), ("queued", 1)] == [
            (run.state, run.position) for run in house.conversations.running()
        ]
        gate.open.set()
        await wait_all_tasks_blocked()
        assert (0, 0) == (
            house.conversations.statistics().running,
            house.conversations.statistics().waiting_for_slot,
        )
    assert ["cancelled", "done", "done"] == sorted(run.state for run in house.archive.stored.values())


async def test_a_turn_cancelled_in_the_moment_that_it_gets_its_slot_gives_it_back(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, max_running=1) as house, trio.open_nursery() as nursery:
        for text in ("one", "two"):
            nursery.start_soon(house.ask, turn(text))
            await wait_all_tasks_blocked()
        two = house.conversations.running()[1].run_id
        gate.open.set()
        while not house.archive.stored:  # noqa: ASYNC110 - the very moment is wanted
            await trio.lowlevel.checkpoint()
        house.conversations.cancel(two, "api")
        await wait_all_tasks_blocked()
        assert 0 == house.conversations.statistics().running
        assert isinstance((await house.ask(turn("three"))).final, RunFinished)


async def test_an_answer_that_is_complete_cannot_be_cancelled_any_more(autojump_clock: MockClock) -> None:
    async with rooms() as house, trio.open_nursery() as nursery:
        house.archive.delay = 1
        nursery.start_soon(house.ask, turn("hello"))
        await trio.sleep(0.5)
        (run,) = house.conversations.running()
        assert "storing" == run.what
        assert not house.conversations.cancel(run.run_id, "api")
    assert "done" == house.archive.stored[run.run_id].state
    assert not house.conversations.cancel(run.run_id, "api")
    assert not house.conversations.cancel("r_unknown", "api")


async def test_stopping_a_loop_cancels_the_turns_that_wait_in_it_too(autojump_clock: MockClock) -> None:
    finals = list[object]()
    async with rooms(Gate()) as house, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            finals.append((await house.ask(turn(text, conversation_id="same"))).final)

        for text in ("one", "two", "three"):
            nursery.start_soon(ask, text)
            await wait_all_tasks_blocked()
        await house.loops.stop(house.loops.statuses()[-1].id, "dashboard")
        await house.conversations.wait_idle()
        assert ["dashboard"] * 3 == [run.cancelled_by for run in house.archive.stored.values()]
        assert 0 == house.conversations.statistics().running
    assert 3 == sum(isinstance(final, RunFailed) for final in finals)


async def test_a_turn_that_comes_while_its_loop_is_being_stopped_gets_a_new_loop(autojump_clock: MockClock) -> None:
    async with rooms(stuck) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.ask, turn("one", conversation_id="same"))
        await wait_all_tasks_blocked()
        house.archive.delay, house.agent.script = 0.5, echo
        nursery.start_soon(house.loops.stop, house.loops.statuses()[-1].id, "api")
        await trio.sleep(0.1)
        second = await house.ask(turn("two", conversation_id="same"))
        assert isinstance(second.final, RunFinished)
        assert "owu:same" == second.conversation_id
    assert ["cancelled", "done"] == [run.state for run in house.archive.stored.values()]


async def test_cancelling_gives_the_last_event_to_a_client_that_has_not_read_so_far(autojump_clock: MockClock) -> None:
    async def chatter(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
        while True:
            await send((Text("x"),))

    async with rooms(chatter, reply_batches=4) as house, house.conversations.open(turn("hello")) as opened:
        await wait_all_tasks_blocked()
        began = trio.current_time()
        house.conversations.cancel(opened.run_id, "dashboard")
        await wait_all_tasks_blocked()
        assert "cancelled" == house.archive.stored[opened.run_id].state
        assert began == trio.current_time()
        events = [event async for batch in opened.batches for event in batch]
        assert isinstance(events[-1], RunFailed)
        assert 5 == len(events)


async def test_a_cancelled_runs_recording_has_a_deadline(autojump_clock: MockClock) -> None:
    async with rooms(stuck, record_seconds=2) as house:
        with trio.move_on_after(1):
            async with house.conversations.open(turn("hello")):
                house.archive.delay = 1000
                await trio.sleep_forever()
        began = trio.current_time()
        await house.conversations.wait_idle()
        assert 2 == trio.current_time() - began
        house.archive.delay, house.agent.script = 0, echo
        assert isinstance((await house.ask(turn("again"))).final, RunFinished)


async def test_a_client_that_closes_its_channel_cancels_the_run_when_it_is_next_written_to(
    autojump_clock: MockClock,
) -> None:
    gate = Gate()
    async with rooms(gate) as house, house.conversations.open(turn("hello")) as opened:
        await wait_all_tasks_blocked()
        opened.batches.close()
        gate.open.set()
        await house.conversations.wait_idle()
    assert ("cancelled", "client") == (
        house.archive.stored[opened.run_id].state,
        house.archive.stored[opened.run_id].cancelled_by,
    )


async def test_a_client_may_be_cancelled_at_any_await_and_nothing_is_left_open(autojump_clock: MockClock) -> None:
    """The client's task, at every one of its awaits: finding the conversation, reading the answer."""

    async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        await trio.lowlevel.checkpoint()
        await send((RunStarted(context.run_id, context.conversation_id, "owu", "thane:latest"),))
        for piece in ("a", "b", "c"):
            await trio.lowlevel.checkpoint()
            await send((Text(piece),))
        return finished(context, "abc")

    step = 0
    async with rooms(slow) as house:
        for step in itertools.count(1):
            asked = turn("hello", assistant("hi"), "more", conversation_id="same")
            cancelled = await run_cancelled_at(step, lambda asked=asked: house.ask(asked))
            await house.conversations.wait_idle()
            assert (0, 0, 0) == (
                house.agent.running,
                house.conversations.statistics().running,
                house.conversations.statistics().queued,
            )
            assert {"done", "cancelled"} >= {run.state for run in house.archive.stored.values()}
            if not cancelled:
                break
        assert step > 4
        assert "done" == list(house.archive.stored.values())[-1].state


async def test_a_run_may_be_cancelled_at_any_await_and_is_recorded_once(autojump_clock: MockClock) -> None:
    """The run wrapper itself, from inside the agent and while storing: cancelled after each possible wait."""

    async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        for piece in ("a", "b", "c"):
            await trio.sleep(0.1)
            await send((Text(piece),))
        return finished(context, "abc")

    states = list[str]()
    for step in range(1, 60):
        archive = FakeArchive()
        archive.delay = 0.1
        async with rooms(slow, archive=archive) as house, trio.open_nursery() as nursery:

            async def cancel(after: float = step * 0.01, house: Rooms = house) -> None:
                await trio.sleep(after)
                for run in house.conversations.running():
                    house.conversations.cancel(run.run_id, "api")

            nursery.start_soon(cancel)
            answer = await house.ask(turn("hello"))
            assert isinstance(answer.final, RunFinished) == (archive.stored[answer.run_id].state == "done")
            assert 1 == len(archive.stored)
            states.append(archive.stored[answer.run_id].state)
    assert {"cancelled", "done"} == set(states)
    assert states == sorted(states)


async def test_the_whole_tree_may_be_cancelled_at_any_await(autojump_clock: MockClock) -> None:
    """From outside, loops and tracker together: everything ends, and every run that was taken is recorded."""

    async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        await send((Text("a"),))
        await trio.lowlevel.checkpoint()
        return finished(context, "a")

    step = 0
    for step in itertools.count(1):
        archive = FakeArchive()

        async def work(archive: FakeArchive = archive) -> None:
            async with rooms(slow, archive=archive, max_running=1) as house, trio.open_nursery() as nursery:
                for text in ("one", "two"):
                    nursery.start_soon(house.ask, turn(text, conversation_id="same"))
                nursery.start_soon(house.ask, turn("other"))

        cancelled = await run_cancelled_at(step, work)
        assert {run.id for run in archive.started} == archive.stored.keys()
        if not cancelled:
            break
    assert step > 10
