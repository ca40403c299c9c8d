"""A turn's tool calls: Thane's own, the client's, too many of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.stage import ASSIST, Lamp, Stage
from thane.agent import rules
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.tools.tool import ToolResult
from thane.turn import (
    Message,
    Text,
    ToolFinished,
    ToolStarted,
    Usage,
)


async def test_own_tools_run_and_the_model_goes_on_from_their_results():
    lamp = Lamp()
    stage = Stage(ScriptedModel([(Text("I will."),), calls(("HassTurnOn", {"name": "Lamp"}))], say("Done.")), lamp)
    end = await stage.answered("lamp on")
    assert ("I will.\n\nDone.", "stop", 2, Usage(20, 2)) == (end.text, end.finish_reason, end.steps, end.usage)
    arguments, context = lamp.seen[0]
    assert {"name": "Lamp"} == arguments
    assert ("r_1", "c_1", "ha", "en", "Kitchen", "Ann", "d") == (
        context.run_id,
        context.conversation_id,
        context.channel,
        context.language,
        context.area,
        context.user,
        context.device,
    )
    step, result = stage.model.requests[1].messages[-2:]
    assert ("assistant", "I will.", context.call_id) == (step.role, step.content, step.tool_calls[0].id)
    assert Message("tool", "on", tool_call_id=context.call_id, tool_name="HassTurnOn") == result
    finished = stage.of(ToolFinished)[0]
    assert (True, "on", 1) == (finished.ok, finished.result, finished.step)


async def test_tools_run_side_by_side_and_answer_in_call_order(autojump_clock: trio.testing.MockClock):
    slow, quick = Lamp("slow", 5.0), Lamp("quick", ToolResult("quick"))
    wanted = calls(("slow", {"n": 1}), ("quick", {}), ("slow", {"n": 2}), ("slow", {"n": 3}))
    stage = Stage(ScriptedModel([wanted], say("Done.")), slow, quick, parallel_tools=2)
    started = trio.current_time()
    await stage.answered()
    assert 10.0 == trio.current_time() - started
    assert 2 == slow.most
    names = [message.tool_name for message in stage.model.requests[1].messages if message.role == "tool"]
    assert ["slow", "quick", "slow", "slow"] == names
    assert "quick" == stage.of(ToolFinished)[0].call.name


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (ZeroDivisionError("secret"), "internal error"),
        (99.0, "longer than 30 s"),
        (ToolResult("no such light", ok=False), "no such light"),
    ],
)
async def test_a_failing_tool_is_a_result_and_not_the_end(
    result: Any, words: str, autojump_clock: trio.testing.MockClock
):
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("It failed.")), Lamp(result=result))
    assert "It failed." == (await stage.answered()).text
    finished = stage.of(ToolFinished)[0]
    assert not finished.ok
    assert words in finished.result
    assert "secret" not in finished.result


async def test_a_long_result_is_cut_and_said_so():
    stage = Stage(
        ScriptedModel([calls(("HassTurnOn", {}))], say("Done.")),
        Lamp(result=ToolResult("x" * 99)),
        tool_result_chars=10,
    )
    await stage.answered()
    assert "x" * 10 + "\n[cut here: 10 of 99 characters are shown]" == stage.model.requests[1].messages[-1].content


async def test_a_call_of_the_clients_tool_ends_the_reply_with_it():
    stage = Stage(ScriptedModel([(Text("One moment."),), calls(("intent__HassTurnOn", {"name": "Lamp"}))]), Lamp())
    system = Message("system", "You are a voice assistant for Home Assistant.")
    end = await stage.answered(messages=(system, Message("user", "lamp on")), tools=ASSIST)
    assert ("tool_calls", "One moment.") == (end.finish_reason, end.text)
    assert ["intent__HassTurnOn"] == [call.name for call in end.client_calls]
    assert not stage.of(ToolStarted)
    request = stage.model.requests[0]
    assert (system, Message("user", "lamp on")) == request.messages, "the client's own prompt is kept as it is"
    assert ASSIST == request.tools


async def test_in_a_mixed_step_own_tools_run_and_the_clients_call_is_asked_for_again():
    lamp = Lamp("remember")
    mixed = calls(("remember", {}), ("intent__HassTurnOn", {}))
    stage = Stage(ScriptedModel([mixed], [calls(("intent__HassTurnOn", {}))]), lamp)
    end = await stage.answered(tools=ASSIST)
    assert 1 == len(lamp.seen)
    assert ("tool_calls", 1, 2) == (end.finish_reason, len(end.client_calls), end.steps)
    assert "by itself" in stage.model.requests[1].messages[-1].content


async def test_after_the_last_step_comes_one_answer_without_tools():
    numbers = itertools.count()
    stage = Stage(
        ScriptedModel(*([calls(("HassTurnOn", {"n": next(numbers)}))] for _ in range(3)), say("Enough.")),
        Lamp(),
        max_steps=3,
    )
    end = await stage.answered()
    assert ("max_steps", "Enough.", 4) == (end.finish_reason, end.text, end.steps)
    last = stage.model.requests[-1]
    assert () == last.tools
    assert Message("user", rules.ANSWER_NOW) == last.messages[-1]


async def test_calls_in_the_last_answer_are_not_run_and_a_person_is_told():
    lamp = Lamp()
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))]), lamp, max_steps=1)
    end = await stage.answered()
    assert ("max_steps", rules.GAVE_UP["max_steps"], 1) == (end.finish_reason, end.text, len(lamp.seen))


async def test_the_same_call_is_not_run_again_and_again():
    lamp = Lamp()
    stage = Stage(
        ScriptedModel(*([calls(("HassTurnOn", {"a": 1}))] for _ in range(5)), say("OK.")), lamp, repeated_calls=3
    )
    end = await stage.answered()
    assert ("OK.", 3) == (end.text, len(lamp.seen))
    assert [True, True, True, False, False] == [finished.ok for finished in stage.of(ToolFinished)]
    assert "already" in stage.of(ToolFinished)[-1].result


async def test_an_unknown_tool_is_told_once_and_then_ends_the_turn_with_an_answer():
    stage = Stage(ScriptedModel([calls(("nope", {}))], [calls(("nope", {}))], say("Sorry.")), Lamp())
    end = await stage.answered()
    assert ("illegal_tool", "Sorry.", 3) == (end.finish_reason, end.text, end.steps)
    assert ["Error: there is no tool 'nope'. The tools are: HassTurnOn."] * 2 == [
        finished.result for finished in stage.of(ToolFinished)
    ]


async def test_calls_of_a_model_that_was_offered_no_tools_are_not_run():
    lamp = Lamp()
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("Sorry.")), lamp)
    stage.model.supports_tools = False
    await stage.catalogue.ask(stage.model)
    assert "Sorry." == (await stage.answered()).text
    assert () == stage.model.requests[0].tools
    assert [] == lamp.seen


async def test_the_end_of_a_turns_time_cuts_no_tool_and_no_further_one_begins(autojump_clock: trio.testing.MockClock):
    lamp, after = Lamp("slow", 20.0), Lamp("after")
    wanted = calls(("slow", {"n": 1}), ("after", {}))
    stage = Stage(
        ScriptedModel([5.0, wanted], say("Never said.")), lamp, after, run_timeout_seconds=10, parallel_tools=1
    )
    started = trio.current_time()
    end = await stage.failed("lamp on")
    assert ("deadline", 25.0) == (end.failure, trio.current_time() - started)
    done, refused = stage.of(ToolFinished)
    assert ("slow", True, "after", False) == (done.call.name, done.ok, refused.call.name, refused.ok)
    assert "the time for this turn is up" in refused.result
    assert [] == after.seen
    assert 1 == len(stage.model.requests)


async def test_a_tool_that_hangs_after_the_end_of_a_turns_time_has_its_own_limit(
    autojump_clock: trio.testing.MockClock,
):
    stage = Stage(
        ScriptedModel([5.0, calls(("slow", {}))], say("Never said.")),
        Lamp("slow", 500.0),
        run_timeout_seconds=10,
        tool_timeout_seconds=30,
    )
    started = trio.current_time()
    await stage.failed("lamp on")
    assert 35.0 == trio.current_time() - started
    assert "took longer than 30 s" in stage.of(ToolFinished)[0].result


async def test_cancelled_after_the_end_of_a_turns_time_a_tool_is_too(autojump_clock: trio.testing.MockClock):
    stage = Stage(ScriptedModel([5.0, calls(("slow", {}))]), Lamp("slow", 20.0), run_timeout_seconds=10)
    with trio.move_on_after(12) as scope:
        await stage.ask()
    assert scope.cancelled_caught
    assert [] == stage.of(ToolFinished)


async def test_a_turn_of_some_capabilities_is_offered_their_tools_alone():
    stage = Stage(ScriptedModel(say("Hm."), say("Hm.")))
    stage.agent.tools.register(Lamp("lamp"), "home")
    stage.agent.tools.register(Lamp("note"), "memory")
    await stage.answered("look", tags=("memory",))
    await stage.ask("look")
    assert [["note"], ["lamp", "note"]] == [[tool.name for tool in asked.tools] for asked in stage.model.requests]
