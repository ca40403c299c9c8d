"""Loops whose work is a model's, supervisors, triggers, names, and what a loop did before."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.loops.doubles import Events
from tests.loops.test_loop import STEADY, running
from thane.loops import iteration as iterations
from thane.loops.iteration import EndLoop, Iteration, IterationFailed
from thane.loops.loop import Loop, LoopSpec
from thane.loops.pace import Pace
from thane.loops.spec import Past, Supervision, Task
from thane.loops.status import IterationSnapshot
from thane.loops.task import Ask
from thane.testing.clock import TrioClock


class Model:
    """Answers tasks, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.fails = False

    async def __call__(self, ask: Ask, iteration: Iteration) -> str:
        await trio.lowlevel.checkpoint()
        self.asked.append(ask)
        if self.fails:
            raise IterationFailed("no answer")
        iteration.model, iteration.input_tokens, iteration.output_tokens, iteration.cost_usd = "m", 10, 5, 0.25
        return f"answer {len(self.asked)}"


def make(model: Model | None, events: Events | None = None, **spec: Any) -> Loop:
    return Loop(
        LoopSpec(**dict[str, Any](name="loop", pace=STEADY) | spec),
        loop_id="l1",
        events=events or Events(),
        clock=TrioClock(),
        source=random.Random(0),
        recent=10,
        runner=model,
    )


async def test_a_model_is_asked_the_task_each_time_and_what_it_used_is_counted(autojump_clock: MockClock) -> None:
    model, events = Model(), Events()
    async with running(make(model, events, task=Task(text="look around", tags=("home",)))) as loop:
        await trio.sleep(15)
        status = loop.status()
    assert [("look around", ("home",))] * 2 == [(ask.text, ask.tags) for ask in model.asked]
    assert (2, 20, 10, 0.5) == (
        status.iterations,
        status.total_input_tokens,
        status.total_output_tokens,
        status.total_cost_usd,
    )
    assert (False, "m") == (status.handler_only, status.recent_iterations[0].model)
    assert {"answer": "answer 2"} == status.recent_iterations[0].summary
    assert "m" == events.of("loop_iteration_complete")[0]["model"]


async def test_hints_are_the_references_and_those_of_the_task_go_before(autojump_clock: MockClock) -> None:
    model = Model()
    async with running(make(model, task=Task(text="t", quality_floor=3, hints={"source": "metacognitive"}))):
        await trio.sleep(1)
    assert {
        "source": "metacognitive",
        "loop_id": "l1",
        "loop_name": "loop",
        "quality_floor": "3",
        "local_only": "true",
    } == model.asked[0].hints


@pytest.mark.parametrize(("probability", "expected"), [(1.0, True), (0.0, False)])
async def test_a_supervisor_looks_by_chance_with_its_own_context_and_floor(
    autojump_clock: MockClock, probability: float, expected: bool
) -> None:
    model, events = Model(), Events()
    supervision = Supervision(enabled=True, probability=probability, context="Think first.", quality_floor=8)
    async with running(make(model, events, task=Task(text="t", quality_floor=3), supervision=supervision)) as loop:
        await trio.sleep(25)
        status = loop.status()
    ask = model.asked[0]
    assert ("Think first.\n\nt" if expected else "t") == ask.text
    assert ("8" if expected else "3") == ask.hints["quality_floor"]
    assert ("false" if expected else "true") == ask.hints["local_only"]
    assert expected is ("supervisor" in ask.hints)
    assert {expected} == {data["supervisor"] for data in events.of("loop_iteration_start")}
    assert (3 if expected else 0) == status.last_supervisor_iter


async def test_a_task_is_made_anew_each_time_and_its_failure_is_an_error(autojump_clock: MockClock) -> None:
    model, times = Model(), list[int]()

    async def build(iteration: Iteration) -> str:
        await trio.lowlevel.checkpoint()
        times.append(iteration.attempt)
        if iteration.attempt == 2:
            raise ValueError("nothing to ask")
        return f"task {iteration.attempt}"

    async with running(make(model, task=Task(build=build))) as loop:
        await trio.sleep(15)
        assert "nothing to ask" == loop.status().last_error
    assert [1, 2] == times
    assert ["task 1"] == [ask.text for ask in model.asked]


async def test_what_follows_is_told_of_successes_only_and_its_failure_is_ignored(autojump_clock: MockClock) -> None:
    model, told = Model(), list[int]()

    async def after(iteration: Iteration) -> None:
        await trio.lowlevel.checkpoint()
        told.append(iteration.attempt)
        model.fails = True
        raise ValueError("ignored")

    async with running(make(model, task=Task(text="t"), after=after)) as loop:
        await trio.sleep(15)
        status = loop.status()
    assert [1] == told
    assert ("no answer", 1, 2) == (status.last_error, status.iterations, status.attempts)


async def test_a_next_sleep_can_be_asked_for_from_whatever_the_iteration_runs(autojump_clock: MockClock) -> None:
    times = list[float]()

    async def tool() -> None:
        await trio.lowlevel.checkpoint()
        iteration = iterations.current.get()
        assert iteration is not None
        iteration.next_sleep = 3.0 if iteration.attempt == 1 else None

    async def handler(_iteration: Iteration) -> None:
        times.append(trio.current_time())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tool)

    async with running(make(None, handler=handler)):
        await trio.sleep(14)
    assert [0, 3, 13] == [round(at - times[0]) for at in times]
    assert iterations.current.get() is None


@pytest.mark.parametrize(("on_retrigger", "rounds"), [("single", 2), ("queue", 3)])
async def test_a_trigger_ends_the_sleep_and_while_working_counts_only_where_asked(
    autojump_clock: MockClock, on_retrigger: str, rounds: int
) -> None:
    gate, attempts = trio.Event(), list[int]()

    async def handler(iteration: Iteration) -> None:
        attempts.append(iteration.attempt)
        if iteration.attempt == 2:
            await gate.wait()

    async with running(make(None, handler=handler, on_retrigger=on_retrigger)) as loop:
        assert loop.trigger()
        await wait_all_tasks_blocked()
        assert (on_retrigger == "queue") is loop.trigger()
        gate.set()
        await trio.sleep(5)
    assert rounds == len(attempts)


async def test_a_trigger_may_end_what_the_loop_does_and_have_it_begin_anew(autojump_clock: MockClock) -> None:
    done = list[int]()

    async def handler(iteration: Iteration) -> None:
        await trio.sleep(2)
        done.append(iteration.attempt)

    async with running(make(None, handler=handler, on_retrigger="restart")) as loop:
        await trio.sleep(1)
        assert loop.trigger()
        await trio.sleep(2.5)
        status = loop.status()
    assert ([2], "sleeping", 2, 0) == (done, status.state, status.iterations, status.consecutive_errors)
    assert [{}, {"restarted": True}] == [each.summary for each in status.recent_iterations]


async def test_a_trigger_may_have_another_round_beside_the_one_that_goes_on(autojump_clock: MockClock) -> None:
    times = list[tuple[int, float]]()

    async def handler(iteration: Iteration) -> None:
        await trio.sleep(3)
        times.append((iteration.attempt, trio.current_time()))

    async with running(make(None, handler=handler, on_retrigger="spawn", pace=Pace(max_iterations=2))) as loop:
        begun = trio.current_time()
        await trio.sleep(1)
        assert loop.trigger()
        assert not loop.trigger(), "it may make no more than two attempts"
        await trio.sleep(2.5)
        assert "processing" == loop.status().state
        await loop.wait_ended()
    assert [(1, 3), (2, 4)] == [(attempt, round(at - begun)) for attempt, at in times]
    assert "max_iterations" == loop.stop_reason


async def test_a_round_beside_another_can_end_the_loop_and_stopping_it_stops_them_all(
    autojump_clock: MockClock,
) -> None:
    async def handler(iteration: Iteration) -> None:
        if iteration.attempt == 3:
            raise EndLoop("enough")
        await trio.sleep_forever()

    async with running(make(None, handler=handler, on_retrigger="spawn")) as loop:
        for _ in range(2):
            await wait_all_tasks_blocked()
            assert loop.trigger()
        await loop.wait_ended()
    assert "enough" == loop.stop_reason
    async with running(make(None, handler=handler, on_retrigger="spawn")) as loop:
        await wait_all_tasks_blocked()
        assert loop.trigger()
        await wait_all_tasks_blocked()
        loop.stop("api")
        await loop.wait_ended()
    assert ("api", 2) == (loop.stop_reason, loop.status().attempts)


async def test_a_new_name_is_told_once(autojump_clock: MockClock) -> None:
    events = Events()
    loop = make(None, events, name="owu/What is the…")
    loop.rename("owu/Weather", title="Weather")
    loop.rename("owu/Weather", title="Weather")
    assert [
        {"loop_id": "l1", "loop_name": "owu/Weather", "before": "owu/What is the…", "title": "Weather"}
    ] == events.of("loop_renamed")
    assert ("owu/Weather", "owu/Weather") == (loop.status().name, loop.status().config["Name"])


async def test_a_loop_goes_on_counting_from_its_past(autojump_clock: MockClock) -> None:
    recent = IterationSnapshot(number=7, started_at="", completed_at="", elapsed_ms=3, input_tokens=4)
    past = Past(iterations=7, attempts=8, input_tokens=70, conversations=("c",), recent=(recent,), last_wake_at=1.0)
    model = Model()
    async with running(make(model, task=Task(text="t"), past=past)) as loop:
        await trio.sleep(1)
        status = loop.status()
    assert (8, 9, 80) == (status.iterations, status.attempts, status.total_input_tokens)
    assert [8, 7] == [each.number for each in status.recent_iterations]


async def test_what_breaks_because_the_loop_is_stopped_is_no_error(autojump_clock: MockClock) -> None:
    events = Events()

    async def handler(_iteration: Iteration) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("broke")

    async with running(make(None, events, handler=handler)):
        pass
    assert [] == events.of("loop_error")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"task": Task()}, "needs a text"),
        ({"task": Task(text="t"), "handler": print}, "both a handler and a task"),
        ({"task": Task(text="t"), "supervision": Supervision(probability=1.5)}, "between 0 and 1"),
        ({"task": Task(text="t"), "supervision": Supervision(quality_floor=-1)}, "negative"),
        ({"name": "", "task": Task(text="t")}, "needs a name"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(Model(), **spec)


def test_a_task_without_anybody_to_do_it_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody to do it"):
        make(None, task=Task(text="t"))
