from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.loops.doubles import Events
from thane.config import settings
from thane.ids import Ids
from thane.loops.loop import Iteration, LoopSpec
from thane.loops.registry import LoopRegistry, open_registry
from thane.loops.spec import Task
from thane.loops.task import Ask
from thane.testing.clock import TrioClock


@asynccontextmanager
async def registry(events: Events | None = None, stop_seconds: float = 10) -> AsyncGenerator[LoopRegistry]:
    source = random.Random(0)
    async with open_registry(
        settings.Loops(stop_seconds=stop_seconds),
        events=events or Events(),
        clock=TrioClock(),
        ids=Ids(source, TrioClock()),
        source=source,
    ) as opened:
        yield opened


async def test_statuses_come_in_the_order_of_the_start(autojump_clock: MockClock) -> None:
    async with registry() as loops:
        for name in ("owu", "ha", "api"):
            loops.spawn(LoopSpec(name=name))
        assert ["owu", "ha", "api"] == [status.name for status in loops.statuses()]
        assert ["pending"] * 3 == [status.state for status in loops.statuses()]
        await trio.testing.wait_all_tasks_blocked()
        assert {"waiting": 3} == loops.statistics().states


async def test_a_loop_is_found_by_id_and_forgotten_when_it_ends(autojump_clock: MockClock) -> None:
    async with registry() as loops:
        loop = loops.spawn(LoopSpec(name="one"))
        assert loop is loops.get(loop.id)
        assert await loops.stop(loop.id, "api")
        assert loops.get(loop.id) is None
        assert (0, 1, 1) == (loops.statistics().live, loops.statistics().started, loops.statistics().stopped)


async def test_an_unknown_loop_cannot_be_stopped_nor_be_a_parent(autojump_clock: MockClock) -> None:
    async with registry() as loops:
        with pytest.raises(LookupError, match="nope"):
            await loops.stop("nope", "api")
        with pytest.raises(ValueError, match="nope"):
            loops.spawn(LoopSpec(name="child", parent_id="nope"))


async def test_stopping_a_parent_stops_its_children_first_and_no_one_else(autojump_clock: MockClock) -> None:
    events = Events()
    async with registry(events) as loops:
        owu = loops.spawn(LoopSpec(name="owu"))
        child = loops.spawn(LoopSpec(name="owu/one", parent_id=owu.id))
        loops.spawn(LoopSpec(name="owu/one/deep", parent_id=child.id))
        loops.spawn(LoopSpec(name="ha"))
        await trio.testing.wait_all_tasks_blocked()
        assert await loops.stop(owu.id, "dashboard")
        assert ["ha"] == [status.name for status in loops.statuses()]
        assert {"owu", "owu/one", "owu/one/deep"} == {data["loop_name"] for data in events.of("loop_stopped")}
        assert {"dashboard"} == {data["reason"] for data in events.of("loop_stopped")}


async def test_a_loop_that_will_not_end_is_left_after_the_deadline_and_stays_listed(autojump_clock: MockClock) -> None:
    async def stubborn(_iteration: Iteration) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async with registry(stop_seconds=5) as loops:
        loop = loops.spawn(LoopSpec(name="stubborn", handler=stubborn))
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert not await loops.stop(loop.id, "api")
        assert 5 == trio.current_time() - began
        assert loop is loops.get(loop.id)
        await trio.sleep(60)
        assert loops.get(loop.id) is None


async def test_leaving_the_registry_stops_every_loop_with_the_reason_shutdown(autojump_clock: MockClock) -> None:
    events = Events()
    async with registry(events) as loops:
        parent = loops.spawn(LoopSpec(name="a"))
        loops.spawn(LoopSpec(name="b", parent_id=parent.id))
        loops.spawn(LoopSpec(name="c"))
    assert ["shutdown"] * 3 == [data["reason"] for data in events.of("loop_stopped")]


async def test_cancelling_the_registry_from_outside_ends_every_loop(autojump_clock: MockClock) -> None:
    events = Events()
    with trio.move_on_after(1):
        async with registry(events) as loops:
            loops.spawn(LoopSpec(name="a"))
            await trio.sleep_forever()
    assert 1 == len(events.of("loop_stopped"))


async def test_a_crashing_handler_takes_nothing_else_with_it(autojump_clock: MockClock) -> None:
    async def crash(_iteration: Iteration) -> None:
        raise ExceptionGroup("boom", [RuntimeError("inner")])

    async with registry() as loops:
        crashing = loops.spawn(LoopSpec(name="crashing", handler=crash))
        steady = loops.spawn(LoopSpec(name="steady"))
        await trio.sleep(1000)
        assert "waiting" == steady.state
        assert crashing.status().consecutive_errors > 1


async def test_a_parents_start_is_told_before_its_childs(autojump_clock: MockClock) -> None:
    for _ in range(8):  # trio begins tasks in any order
        events = Events()
        async with registry(events=events) as loops:
            parent = loops.spawn(LoopSpec(name="owu"))
            loops.spawn(LoopSpec(name="owu/chat", parent_id=parent.id))
            await wait_all_tasks_blocked()
            assert ["owu", "owu/chat"] == [data["loop_name"] for data in events.of("loop_started")]


async def test_a_loop_is_found_by_name_and_one_whose_setup_fails_is_not_started(autojump_clock: MockClock) -> None:
    def refuse() -> None:
        raise ValueError("not now")

    async with registry() as loops:
        loop = loops.spawn(LoopSpec(name="one"))
        loops.spawn(LoopSpec(name="one"))
        assert loop is loops.named("one")
        with pytest.raises(ValueError, match="not now"):
            loops.spawn(LoopSpec(name="two", setup=refuse))
        assert (None, 2) == (loops.named("two"), loops.statistics().live)


async def test_a_task_is_done_by_whoever_was_named_for_it(autojump_clock: MockClock) -> None:
    asked = list[str]()

    async def runner(ask: Ask, _iteration: Iteration) -> str:
        await trio.lowlevel.checkpoint()
        asked.append(ask.text)
        return "done"

    async with registry() as loops:
        with pytest.raises(ValueError, match="nobody to do it"):
            loops.spawn(LoopSpec(name="one", task=Task(text="t")))
        loops.run_tasks_with(runner)
        loops.spawn(LoopSpec(name="one", task=Task(text="t")))
        await trio.sleep(1)
        assert ["t"] == asked
