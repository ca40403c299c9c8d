"""What a turn demands of its answer: a format, or a call of a tool."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.stage import Stage
from thane.models.provider import ModelDone
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.turn import Logprob, ModelFinished, ModelStarted, Options, Text, Thinking, ToolSpec, Usage

COLOUR: dict[str, Any] = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
BY_SCHEMA = Options(format=COLOUR)
PAINT = (ToolSpec("paint"), ToolSpec("wash"))


async def test_an_answer_by_the_schema_is_said_once_and_whole():
    model = ScriptedModel(say('{"colour":', ' "red"}'))
    stage = Stage(model)
    end = await stage.answered(options=BY_SCHEMA)
    assert ('{"colour": "red"}', 1) == (end.text, len(model.requests))
    assert 1 == len(stage.of(Text))


async def test_thinking_is_not_held_back():
    stage = Stage(ScriptedModel([(Thinking("Hm."), Text('{"colour":"red"}')), (ModelDone(Usage(1, 1)),)]))
    await stage.answered(options=BY_SCHEMA)
    kinds = [type(event) for event in stage.events]
    assert kinds.index(Thinking) < kinds.index(ModelFinished) < kinds.index(Text)


async def test_a_bad_answer_is_given_back_once_with_what_is_wrong_and_counted():
    model = ScriptedModel(say("Red, I think."), say('{"colour":"red"}'))
    stage = Stage(model)
    end = await stage.answered(options=BY_SCHEMA)
    assert ('{"colour":"red"}', 2, 20) == (end.text, end.steps, end.usage.input_tokens)
    first, again = model.requests
    given, told = again.messages[len(first.messages) :]
    assert ("assistant", "Red, I think.", "user") == (given.role, given.content, told.role)
    assert "it is not JSON" in told.content
    assert COLOUR == again.options.format
    assert 2 == len(stage.of(ModelStarted))


async def test_two_bad_answers_are_a_failure_that_says_why_and_nothing_of_them_is_said():
    model = ScriptedModel(say("Red."), say('{"colour":5}'))
    stage = Stage(model)
    end = await stage.failed(options=BY_SCHEMA)
    assert ("model", 2) == (end.failure, len(model.requests))
    assert 'colour: 5 is not of type "string"' in end.message
    assert "" == stage.text


async def test_how_often_is_a_setting():
    model = ScriptedModel(say("Red."))
    await Stage(model, answer_repairs=0).failed(options=BY_SCHEMA)
    assert 1 == len(model.requests)


async def test_a_fence_needs_no_second_call():
    model = ScriptedModel(say("```json\n", '{"colour":"red"}', "\n```"))
    end = await Stage(model).answered(options=BY_SCHEMA)
    assert ('{"colour":"red"}', 1) == (end.text, len(model.requests))


async def test_plain_json_is_checked_too():
    end = await Stage(ScriptedModel(say("no"), say("{}"))).answered(options=Options(format="json"))
    assert ("{}", 2) == (end.text, end.steps)


async def test_what_was_cut_at_the_clients_limit_is_passed_on_as_that():
    end = await Stage(ScriptedModel(say('{"colour":', reason="length"))).answered(options=BY_SCHEMA)
    assert ('{"colour":', "length", 1) == (end.text, end.finish_reason, end.steps)


async def test_a_call_of_the_clients_tool_is_no_answer_by_the_schema_and_needs_none():
    end = await Stage(ScriptedModel([calls(("paint", {})), (ModelDone(Usage(1, 1)),)])).answered(
        options=BY_SCHEMA, tools=PAINT
    )
    assert ("paint", "") == (end.client_calls[0].name, end.text)


async def test_a_schema_that_cannot_be_used_ends_the_turn_before_a_model_is_asked():
    model = ScriptedModel(say("{}"))
    end = await Stage(model).failed(options=Options(format={"type": "nope"}))
    assert "The format asked for cannot be used" in end.message
    assert [] == model.requests


async def test_log_probabilities_survive():
    told = (Logprob("{}", -0.5),)
    stage = Stage(ScriptedModel([(Text("{}", told),), (ModelDone(Usage(1, 1)),)]))
    await stage.answered(options=Options(format="json", logprobs=True))
    assert [Text("{}", told)] == stage.of(Text)


@pytest.mark.parametrize(("choice", "offered"), [("required", ["paint", "wash"]), ("wash", ["wash"])])
async def test_a_required_call_is_asked_for_again(choice: str, offered: list[str]):
    model = ScriptedModel(say("Done!"), [calls(("wash", {})), (ModelDone(Usage(1, 1)),)])
    stage = Stage(model)
    end = await stage.answered(tools=PAINT, tool_choice=choice)
    assert ("wash", "", "tool_calls") == (end.client_calls[0].name, end.text, end.finish_reason)
    assert [choice, choice] == [request.tool_choice for request in model.requests]
    assert offered == [tool.name for tool in model.requests[0].tools]
    assert "call" in model.requests[1].messages[-1].content


async def test_a_required_call_that_never_comes_is_a_failure():
    stage = Stage(ScriptedModel(say("Done!")))
    end = await stage.failed(tools=PAINT, tool_choice="paint")
    assert "a call of the tool 'paint' was required" in end.message
    assert "" == stage.text


@pytest.mark.parametrize("choice", ["auto", "none"])
async def test_nothing_is_required_by_the_other_choices(choice: str):
    model = ScriptedModel(say("a", "b"))
    stage = Stage(model)
    await stage.answered(tools=PAINT, tool_choice=choice)
    assert (2, "auto") == (len(stage.of(Text)), model.requests[0].tool_choice)


async def test_nothing_is_required_where_the_clients_tools_are_not_offered():
    stage = Stage(ScriptedModel(say("Done.")), client_tools="strip")
    assert "Done." == (await stage.answered(tools=PAINT, tool_choice="required")).text
