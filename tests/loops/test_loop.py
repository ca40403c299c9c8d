from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.loops.doubles import Events
from thane.loops.loop import EndLoop, Iteration, IterationFailed, Loop, LoopSpec, Wake
from thane.loops.pace import Pace
from thane.testing.clock import TrioClock

STEADY = Pace(sleep_min_seconds=1, sleep_max_seconds=60, sleep_default_seconds=10, jitter=0)


def make(events: Events, **spec: Any) -> Loop:
    return Loop(
        LoopSpec(**dict[str, Any](name="loop", pace=STEADY) | spec),
        loop_id="l1",
        events=events,
        clock=TrioClock(),
        source=random.Random(0),
        recent=10,
    )


@asynccontextmanager
async def running(loop: Loop) -> AsyncGenerator[Loop]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.testing.wait_all_tasks_blocked()
        yield loop
        loop.stop("test is over")
        with trio.fail_after(1):
            await loop.wait_ended()


async def nothing(_iteration: Iteration) -> None:
    return


async def test_a_timer_loop_runs_at_once_then_sleeps_and_runs_again(autojump_clock: MockClock) -> None:
    events, times = Events(), list[float]()

    async def handler(_iteration: Iteration) -> None:
        times.append(trio.current_time())

    async with running(make(events, handler=handler)):
        await trio.sleep(25)
    assert [0, 10, 20] == [round(at - times[0]) for at in times]
    assert ["processing", "sleeping"] * 3 + ["stopped"] == events.states("loop")
    assert {"sleep_duration": "10s", "sleep_ms": 10_000}.items() <= events.of("loop_sleep_start")[0].items()


async def test_events_come_in_the_order_of_the_reference(autojump_clock: MockClock) -> None:
    events = Events()
    async with running(make(events, handler=nothing)):
        pass
    assert [
        "loop_started",
        "loop_state_change",
        "loop_iteration_start",
        "loop_iteration_complete",
        "loop_state_change",
        "loop_sleep_start",
        "loop_state_change",
        "loop_stopped",
    ] == events.kinds()
    assert all(data["loop_id"] == "l1" and data["loop_name"] == "loop" for _, data in events.all)
    assert [1, 2, 3] == [data["event_seq"] for data in events.of("loop_state_change")]
    assert {"iterations": 1, "attempts": 1, "reason": "test is over"}.items() <= events.of("loop_stopped")[0].items()


async def test_an_event_loop_waits_handles_and_waits_again_without_sleeping(autojump_clock: MockClock) -> None:
    events, seen = Events(), list[Any]()
    send, receive = trio.open_memory_channel[Wake](10)

    async def handler(iteration: Iteration) -> None:
        seen.append((iteration.payload, iteration.conversation_id, iteration.run_id))

    async with running(make(events, handler=handler, wait=receive.receive)) as loop:
        assert "waiting" == loop.state
        await send.send(Wake("one", "c1", "r1"))
        await send.send(Wake("two", "c2", "r2"))
        await trio.testing.wait_all_tasks_blocked()
        assert "waiting" == loop.state
    assert [("one", "c1", "r1"), ("two", "c2", "r2")] == seen
    assert ["waiting", "processing", "waiting", "processing", "waiting", "stopped"] == events.states("loop")
    assert 3 == len(events.of("loop_wait_start"))
    assert [] == events.of("loop_sleep_start")
    assert {"conversation_id": "c2", "run_id": "r2", "attempt": 2}.items() <= events.of("loop_iteration_start")[
        1
    ].items()


async def test_a_parent_waits_without_ever_ticking(autojump_clock: MockClock) -> None:
    events = Events()
    async with running(make(events)) as loop:
        await trio.sleep(80_000)
        assert "waiting" == loop.state
        assert 0 == loop.status().attempts
        assert loop.status().event_driven
    assert ["loop_started", "loop_state_change", "loop_state_change", "loop_stopped"] == events.kinds()


async def test_a_crashing_timer_handler_backs_off_and_recovers(autojump_clock: MockClock) -> None:
    events, times = Events(), list[float]()

    async def handler(_iteration: Iteration) -> None:
        times.append(trio.current_time())
        if len(times) <= 4:
            raise RuntimeError("boom")

    async with running(make(events, handler=handler)) as loop:
        await trio.sleep(80)
        assert ("boom", 3, "sleeping") == (
            loop.status().last_error,
            loop.status().consecutive_errors,
            loop.status().state,
        )
        await trio.sleep(115)
        assert (0, 2, 6) == (loop.status().consecutive_errors, loop.status().iterations, loop.status().attempts)
    assert [0, 20, 60, 120, 180, 190] == [round(at - times[0]) for at in times]
    errors = events.of("loop_error")
    assert [1, 2, 3, 4] == [data["consecutive_errors"] for data in errors]
    assert [20_000, 40_000, 60_000, 60_000] == [data["retry_in_ms"] for data in errors]
    assert ["processing", "error", "sleeping"] == events.states("loop")[:3]


async def test_a_crashing_event_handler_pauses_before_it_waits_again(autojump_clock: MockClock) -> None:
    events, times = Events(), list[float]()
    send, receive = trio.open_memory_channel[Wake](10)

    async def handler(_iteration: Iteration) -> None:
        times.append(trio.current_time())
        raise RuntimeError("boom")

    async with running(make(events, handler=handler, wait=receive.receive)) as loop:
        await send.send(Wake())
        await send.send(Wake())
        await trio.sleep(5)
        assert "error" == loop.state
        assert 20 == pytest.approx(_epoch(loop.status().next_wake_at) - _epoch(loop.status().last_wake_at))
        await trio.sleep(20)
    assert 20 == pytest.approx(times[1] - times[0])
    assert "handler" == events.of("loop_error")[0]["phase"]


async def test_a_failure_that_the_handler_dealt_with_is_counted_without_a_pause(autojump_clock: MockClock) -> None:
    events = Events()
    send, receive = trio.open_memory_channel[Wake](10)

    async def handler(iteration: Iteration) -> None:
        if iteration.payload:
            raise IterationFailed("the model is down")

    async with running(make(events, handler=handler, wait=receive.receive)) as loop:
        await send.send(Wake(True))
        await send.send(Wake(True))
        await trio.testing.wait_all_tasks_blocked()
        status = loop.status()
        assert ("waiting", 2, 2, 0) == (status.state, status.consecutive_errors, status.attempts, status.iterations)
        await send.send(Wake(False))
        await trio.testing.wait_all_tasks_blocked()
        assert 0 == loop.status().consecutive_errors
    assert [0, 0] == [data["retry_in_ms"] for data in events.of("loop_error")]
    assert ["waiting", "processing", "error", "waiting"] == events.states("loop")[:4]


async def test_a_failing_wait_is_an_error_of_phase_wait_and_backs_off(autojump_clock: MockClock) -> None:
    events, tries = Events(), list[float]()

    async def wait() -> Wake:
        tries.append(trio.current_time())
        if len(tries) < 3:
            raise OSError("no socket")
        return await trio.sleep_forever()

    async with running(make(events, handler=nothing, wait=wait)) as loop:
        await trio.sleep(100)
        assert ("waiting", 0, 2) == (loop.state, loop.status().attempts, loop.status().consecutive_errors)
    assert [0, 20, 60] == [round(at - tries[0]) for at in tries]
    assert ["wait", "wait"] == [data["phase"] for data in events.of("loop_error")]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_loop_with_three_iterations_attempts_exactly_three(fails: bool, autojump_clock: MockClock) -> None:
    async def handler(_iteration: Iteration) -> None:
        if fails:
            raise RuntimeError("boom")

    loop = make(Events(), handler=handler, pace=msgspec.structs.replace(STEADY, max_iterations=3))
    await loop.run()
    assert ("stopped", 3, "max_iterations") == (loop.state, loop.status().attempts, loop.stop_reason)


async def test_a_loop_ends_when_its_time_is_over_even_in_its_handler(autojump_clock: MockClock) -> None:
    async def handler(_iteration: Iteration) -> None:
        await trio.sleep_forever()

    loop = make(Events(), handler=handler, pace=msgspec.structs.replace(STEADY, max_duration_seconds=7))
    began = trio.current_time()
    await loop.run()
    assert (7, "max_duration") == (trio.current_time() - began, loop.stop_reason)


async def test_a_handler_or_a_wait_can_end_the_loop(autojump_clock: MockClock) -> None:
    async def handler(_iteration: Iteration) -> None:
        raise EndLoop("done")

    async def wait() -> Wake:
        raise EndLoop("idle")

    loop = make(Events(), handler=handler)
    await loop.run()
    assert ("done", 1, 0) == (loop.stop_reason, loop.status().iterations, loop.status().consecutive_errors)
    loop = make(Events(), handler=nothing, wait=wait)
    await loop.run()
    assert ("idle", 0) == (loop.stop_reason, loop.status().attempts)


@pytest.mark.parametrize("where", ["wait", "handler", "sleep", "back-off", "parent"])
async def test_stopping_is_prompt_wherever_the_loop_is(where: str, autojump_clock: MockClock) -> None:
    async def forever(*_args: object) -> Wake:
        return await trio.sleep_forever()

    async def crash(_iteration: Iteration) -> None:
        raise RuntimeError("boom")

    async def at_once() -> Wake:
        return Wake()

    spec: dict[str, Any] = {
        "wait": {"wait": forever, "handler": nothing},
        "handler": {"handler": forever},
        "sleep": {"handler": nothing},
        "back-off": {"handler": crash, "wait": at_once},
        "parent": {},
    }[where]
    ended, events = list[str](), Events()
    loop = make(events, ended=ended.append, **spec)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        loop.stop("api")
        loop.stop("shutdown")
        await loop.wait_ended()
        assert before == trio.current_time()
    assert ["api"] == ended
    assert ("stopped", "api", None) == (loop.state, loop.stop_reason, loop.status().next_wake_at)
    assert [] == [data for data in events.of("loop_error") if where != "back-off"]


async def test_a_loop_that_is_stopped_before_it_runs_never_works(autojump_clock: MockClock) -> None:
    async def handler(_iteration: Iteration) -> None:
        pytest.fail("it worked")

    loop = make(Events(), handler=handler)
    loop.stop("api")
    await loop.run()
    assert ("stopped", 0) == (loop.state, loop.status().attempts)


async def test_a_loop_runs_once(autojump_clock: MockClock) -> None:
    loop = make(Events(), handler=nothing, pace=msgspec.structs.replace(STEADY, max_iterations=1))
    await loop.run()
    with pytest.raises(RuntimeError, match="started already"):
        await loop.run()


async def test_the_outside_cancelling_a_loop_is_a_stop_and_not_an_error(autojump_clock: MockClock) -> None:
    events = Events()
    loop = make(events, handler=nothing)
    with trio.move_on_after(1) as scope:
        await loop.run()
    assert scope.cancelled_caught
    assert ("stopped", "cancelled") == (loop.state, loop.stop_reason)
    assert [] == events.of("loop_error")


async def test_a_requested_sleep_applies_once(autojump_clock: MockClock) -> None:
    events, times = Events(), list[float]()

    async def handler(iteration: Iteration) -> None:
        times.append(trio.current_time())
        if len(times) == 1:
            iteration.next_sleep = 33

    async with running(make(events, handler=handler)):
        await trio.sleep(50)
    assert [0, 33, 43] == [round(at - times[0]) for at in times]


async def test_the_rings_keep_the_newest_ten_first(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[Wake](math.inf)
    async with running(make(Events(), handler=nothing, wait=receive.receive)) as loop:
        for number in range(15):
            send.send_nowait(Wake(None, f"c{number}"))
        send.send_nowait(Wake(None, "c10"))
        await trio.testing.wait_all_tasks_blocked()
        status = loop.status()
    assert ("c10", "c14", "c13", "c12", "c11", "c9", "c8", "c7", "c6", "c5") == status.recent_conv_ids
    assert list(range(16, 6, -1)) == [snapshot.number for snapshot in status.recent_iterations]


async def test_what_a_handler_learns_shows_in_status_snapshot_and_events(autojump_clock: MockClock) -> None:
    events = Events()

    async def handler(iteration: Iteration) -> None:
        iteration.progress("loop_llm_start", model="m", est_tokens=7)
        iteration.model, iteration.input_tokens, iteration.output_tokens = "m", 100, 20
        iteration.tools_used["light"] = 2
        iteration.summary["done"] = True
        await trio.sleep(1.5)

    async with running(make(events, handler=handler)) as loop:
        assert {"model": "m", "est_tokens": 7} == loop.status().llm_context
        await trio.sleep(2)
        status = loop.status()
        await trio.sleep(15)
        assert (200, 40) == (loop.status().total_input_tokens, loop.status().total_output_tokens)
    assert status.llm_context is None
    assert (100, 20, 100, 20) == (
        status.total_input_tokens,
        status.total_output_tokens,
        status.last_input_tokens,
        status.last_output_tokens,
    )
    snapshot = status.recent_iterations[0]
    assert ("m", {"light": 2}, {"done": True}, 1500, 10_000, False) == (
        snapshot.model,
        snapshot.tools_used,
        snapshot.summary,
        snapshot.elapsed_ms,
        snapshot.sleep_after_ms,
        snapshot.wait_after,
    )
    complete = events.of("loop_iteration_complete")[0]
    assert {"model": "m", "input_tokens": 100, "tools_used": {"light": 2}, "elapsed_ms": 1500}.items() <= (
        complete.items()
    )


async def test_a_failed_iteration_has_no_number_and_says_what_failed(autojump_clock: MockClock) -> None:
    async def handler(_iteration: Iteration) -> None:
        raise RuntimeError("boom")

    async with running(make(Events(), handler=handler)) as loop:
        snapshot = loop.status().recent_iterations[0]
    assert (0, "boom", 20_000) == (snapshot.number, snapshot.error, snapshot.sleep_after_ms)


async def test_the_status_is_a_copy_and_has_no_null_list_and_no_year_1(autojump_clock: MockClock) -> None:
    metadata = {"category": "channel"}
    loop = make(Events(), metadata=metadata, queued=lambda: 3)
    status = msgspec.json.decode(msgspec.json.encode(loop.status()))
    assert ([], [], None, None, None, 3, "pending", None) == (
        status["recent_conv_ids"],
        status["recent_iterations"],
        status["started_at"],
        status["last_wake_at"],
        status["next_wake_at"],
        status["queued"],
        status["state"],
        status["parent_id"],
    )
    loop.status().metadata["category"] = "changed"
    assert {"category": "channel"} == loop.status().metadata
    assert 10_000_000_000 == status["config"]["SleepDefault"]


def test_a_spec_that_makes_no_sense_is_refused() -> None:
    async def wait() -> Wake:
        return Wake()

    for spec in ({"name": ""}, {"wait": wait}, {"handler": nothing, "pace": Pace(jitter=2)}):
        with pytest.raises(ValueError):
            make(Events(), **spec)


def _epoch(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()
