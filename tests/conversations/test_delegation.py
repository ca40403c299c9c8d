"""Tasks that a strong model hands over, with the real agent on two scripted models."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.agent.stage import Lamp
from tests.conversations.doubles import FakeArchive, turn, user
from tests.loops.doubles import Events
from thane.agent.engine import Agent
from thane.config import settings as settings_of
from thane.config.routing import Delegation
from thane.config.settings import AvailableModel, Models, Settings
from thane.conversations.delegation import Delegate, report
from thane.conversations.tracker import Conversations, open_conversations
from thane.ids import Ids
from thane.loops.registry import open_registry
from thane.memory.archive import Archive
from thane.models.catalogue import Catalogue
from thane.models.provider import ModelError
from thane.testing.clock import TrioClock
from thane.testing.scripted_model import Script, ScriptedModel, calls, say
from thane.tools.tool import ToolContext, ToolRegistry
from thane.turn import JSON, RunFailed, RunFinished, ToolFinished, Usage

STRONG = AvailableModel(name="strong", provider="cloud", quality=9, cost_tier=2)
SMALL = AvailableModel(name="small", provider="ollama", quality=4, speed=8)
TASK: JSON = {"task": "Turn every lamp on.", "profile": "ha", "guidance": "Name them."}


class House:
    """The tracker on the real agent; `strong` hands over, `small` does."""

    def __init__(self, strong: ScriptedModel, small: ScriptedModel, lamp: Lamp) -> None:
        self.strong, self.small, self.lamp = strong, small, lamp
        self.archive = FakeArchive()
        self.events = Events()
        self.conversations: Conversations

    async def ask(self, said: str = "explain the lamps") -> list[object]:
        async with self.conversations.open(turn(user(said))) as opened:
            return [event async for batch in opened.batches for event in batch]

    async def result(self) -> ToolFinished:
        (finished,) = [event for event in await self.ask() if isinstance(event, ToolFinished)]
        return finished

    @property
    def child(self):
        (child,) = [run for run in self.archive.stored.values() if run.parent_run_id]
        return child


@asynccontextmanager
async def house(
    small: Script, *more: Script, strong: ScriptedModel | None = None, turn_seconds: float = 600.0, **limits: Any
) -> AsyncGenerator[House]:
    brain = ScriptedModel(say("?"), name="embedded", models=("embedded",))
    handing = strong or ScriptedModel(
        [calls(("thane_delegate", TASK))], say("All on."), name="cloud", models=("strong",)
    )
    stage = House(handing, ScriptedModel(small, *more, models=("small",)), Lamp())
    settings = Settings(
        models=Models(default="strong", available=(STRONG, SMALL)),
        agent=settings_of.Agent(run_timeout_seconds=turn_seconds),
        delegation=Delegation(**limits),
    )
    clock, source = TrioClock(), random.Random(1)
    ids = Ids(source, clock)
    tools = ToolRegistry([stage.lamp])
    agent = Agent(
        settings=settings,
        catalogue=Catalogue([brain, stage.strong, stage.small]),
        tools=tools,
        house=None,
        clock=clock,
        source=source,
    )
    async with (
        open_registry(settings.loops, events=stage.events, clock=clock, ids=ids, source=source) as loops,
        open_conversations(
            settings,
            agent=agent,
            archive=cast("Archive", stage.archive),
            loops=loops,
            events=stage.events,
            clock=clock,
            ids=ids,
        ) as stage.conversations,
    ):
        tools.register(Delegate(settings.delegation, stage.conversations.perform))
        yield stage


async def test_the_small_model_does_the_task_with_the_tools_and_reports(autojump_clock: MockClock) -> None:
    async with house([calls(("HassTurnOn", {"name": "Lamp"}))], say("The lamp is on.")) as stage:
        result = await stage.result()
    assert result.ok
    assert result.result.startswith("[Delegate SUCCEEDED: small, 2 steps, ")
    assert result.result.endswith("]\n\nThe lamp is on.")
    assert [{"name": "Lamp"}] == [arguments for arguments, _ in stage.lamp.seen]
    request = stage.small.requests[0]
    assert ["HassTurnOn"] == [tool.name for tool in request.tools]  # it hands nothing on
    assert "Turn every lamp on.\n\nGuidance: Name them." in request.messages[-1].content
    assert not any("explain the lamps" in message.content for message in request.messages)
    assert ["HassTurnOn", "thane_delegate"] == [tool.name for tool in stage.strong.requests[0].tools]


async def test_it_is_a_run_of_its_own_that_names_its_parent(autojump_clock: MockClock) -> None:
    async with house(say("Done.")) as stage:
        await stage.ask()
    child = stage.child
    parent = stage.archive.stored[child.parent_run_id]
    assert ("done", "small", "thane:delegate-ha", parent.conversation_id, parent.loop_id) == (
        *(child.state, child.model, child.profile, child.conversation_id, child.loop_id),
    )
    assert "strong" == parent.model
    assert 2 == len(stage.archive.said)  # the question and the answer: nothing of the task is part of the conversation
    started = [data for data in stage.events.of("request_start") if data.get("parent_run_id")]
    assert [child.id] == [data["run_id"] for data in started]


async def test_cancelling_the_turn_cancels_its_task(autojump_clock: MockClock) -> None:
    async with house([99.0]) as stage:
        with trio.move_on_after(5):
            await stage.ask()
        await trio.sleep(1)
        assert 0 == stage.small.open
        assert () == stage.conversations.running()
    assert ("cancelled", "parent") == (stage.child.state, stage.child.cancelled_by)


async def test_while_it_goes_on_it_is_seen_and_can_be_stopped_by_itself(autojump_clock: MockClock) -> None:
    async with house([99.0]) as stage, trio.open_nursery() as nursery:
        answers: list[object] = []

        async def ask() -> None:
            answers.extend(await stage.ask())

        nursery.start_soon(ask)
        await trio.sleep(1)
        parent, child = stage.conversations.running()
        assert (parent.run_id, "small") == (child.parent_run_id, child.model)
        assert stage.conversations.cancel(child.run_id, "dashboard")
        await trio.sleep(1)
        assert isinstance(answers[-1], RunFinished)
        (result,) = [event for event in answers if isinstance(event, ToolFinished)]
        assert result.result.startswith("[Delegate FAILED: cancelled")


@pytest.mark.parametrize(
    ("small", "limits", "why"),
    [
        ([99.0], {"run_timeout_seconds": 9}, "wall_clock"),
        ([calls(("HassTurnOn", {"name": "a"}))], {"max_steps": 1}, "max_iterations"),
        ([calls(("HassTurnOn", {"name": "a"}))], {"output_tokens": 1}, "token_budget"),
        ([ModelError("gone", dependency="ollama", status=404, temporary=False)], {}, "model"),
        (say(""), {}, "no_output"),
    ],
)
async def test_a_task_that_is_not_done_says_why(
    small: Script, limits: dict[str, Any], why: str, autojump_clock: MockClock
) -> None:
    only = {"max_steps": 1, "output_tokens": 1}.keys() & limits.keys()
    async with house(small, *([say("So far.")] if only else []), **limits) as stage:
        result = await stage.result()
    assert not result.ok
    assert result.result.startswith(f"[Delegate FAILED: {why}")


async def test_a_task_has_no_more_time_than_the_turn_that_hands_it_over(autojump_clock: MockClock) -> None:
    async with house([99.0], turn_seconds=20) as stage:
        started = trio.current_time()
        events = await stage.ask()
        assert 20.0 == trio.current_time() - started
    (result,) = [event for event in events if isinstance(event, ToolFinished)]
    assert result.result.startswith("[Delegate FAILED: wall_clock")
    assert isinstance(events[-1], RunFailed)


async def test_a_turn_hands_over_so_many_tasks_and_no_more(autojump_clock: MockClock) -> None:
    twice = calls(("thane_delegate", TASK), ("thane_delegate", TASK | {"task": "another"}))
    strong = ScriptedModel([twice], say("Well."), name="cloud", models=("strong",))
    async with house(say("Done."), strong=strong, tasks_per_turn=1) as stage:
        results = [event.result for event in await stage.ask() if isinstance(event, ToolFinished)]
    assert ["[Delegate FAILED: this turn has handed over 1 tasks already", "[Delegate SUCCEEDED: small"] == sorted(
        result.partition(",")[0] for result in results
    )


async def test_a_turn_that_may_not_leave_the_house_hands_its_task_to_no_one_outside(autojump_clock: MockClock) -> None:
    asked: list[bool] = []
    context = ToolContext("r_1", "c", "c_1", "api", "en", local_only=True)

    async def perform(handed: object) -> str:
        asked.append(handed.local_only)  # type: ignore[attr-defined]  # a Handed
        return "no"

    assert not (await Delegate(Delegation(), perform).call(TASK, context)).ok
    assert [True] == asked


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "'task' says"),
        ({"task": " "}, "'task' says"),
        ({"task": "x", "profile": "boss"}, "general, ha, not 'boss'"),
    ],
)
async def test_bad_arguments_are_told_to_the_model(arguments: JSON, says: str) -> None:
    async def perform(_: object) -> str:
        raise AssertionError

    result = await Delegate(Delegation(), perform).call(arguments, ToolContext("r", "c", "c", "api", "en"))
    assert not result.ok
    assert says in result.content


def test_a_failed_run_is_reported_with_its_sentence() -> None:
    failed = RunFailed("r_1", "unavailable", "No model server answers.", Usage(), 1.0)
    assert "[Delegate FAILED: unavailable, 0 tokens, 1.0 s]\n\nNo model server answers." == report(failed).content
    assert msgspec.structs.asdict(report(failed))
