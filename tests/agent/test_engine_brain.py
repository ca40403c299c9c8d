"""When the embedded brain answers in a model's place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.stage import Lamp, Stage
from thane.config import settings as config
from thane.models.provider import ModelError
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.turn import (
    Caller,
    Message,
    ModelStarted,
    Options,
    Text,
)


async def test_without_a_model_the_embedded_brain_answers():
    stage = Stage(ScriptedModel(say("x")), Lamp(), default="")
    end = await stage.answered()
    assert ("I am embedded.", "embedded") == (end.text, end.model)
    assert (Message("user", "hi"),) == stage.brain.requests[0].messages
    assert ("en", "Kitchen") == (stage.brain.requests[0].language, stage.brain.requests[0].area)
    assert ["HassTurnOn"] == [tool.name for tool in stage.brain.requests[0].tools]


def understanding() -> ScriptedModel:
    return ScriptedModel(say("Lamp is on."), name="embedded", understands="lamp")


async def test_what_the_brain_fully_understands_needs_no_model():
    stage = Stage(ScriptedModel(say("x")), brain=understanding())
    assert "embedded" == (await stage.answered("lamp on")).model
    assert "fully understands" in stage.of(ModelStarted)[0].reason
    other = Stage(ScriptedModel(say("x")), brain=understanding())
    assert "qwen3:4b" == (await other.answered("why is the sky blue")).model


@pytest.mark.parametrize(
    ("fast_path", "turn"),
    [
        (False, {}),
        (True, {"model": "thane:peer"}),
        (True, {"model": "qwen3:4b"}),
        (True, {"options": Options(format="json")}),
        (True, {"tool_choice": "required"}),
        (True, {"caller": Caller(task="title_generation")}),
    ],
)
async def test_the_fast_path_is_a_choice_of_owner_profile_and_request(fast_path: bool, turn: dict[str, Any]):
    stage = Stage(ScriptedModel(say("{}")), brain=understanding(), fast_path=fast_path)
    assert "qwen3:4b" == (await stage.answered("lamp on", **turn)).model


async def test_the_brain_stands_in_for_a_model_that_fails_before_a_word():
    down = ModelError("No model server answers.", dependency="ollama")
    stage = Stage(ScriptedModel([down]), brain=understanding(), fast_path=False)
    assert ("Lamp is on.", "embedded") == ((end := await stage.answered("lamp on")).text, end.model)
    assert "No model server answers." in stage.of(ModelStarted)[-1].reason
    assert "unavailable" == (await stage.failed("why is the sky blue")).failure
    stage = Stage(ScriptedModel([(Text("La"),), down]), brain=understanding(), fast_path=False)
    await stage.failed("lamp on")
    assert "La" == stage.text


@pytest.mark.parametrize("model", ["qwen3:4b", "thane"])
async def test_the_brain_does_not_stand_in_for_a_named_model_nor_after_tools(model: str):
    down = ModelError("down", dependency="ollama")
    script = [[down]] if model == "qwen3:4b" else [[calls(("HassTurnOn", {}))], [down]]
    stage = Stage(ScriptedModel(*script), Lamp(), brain=understanding(), fast_path=False)
    assert "down" == (await stage.failed("lamp on", model=model)).message


async def test_housekeeping_is_never_left_to_the_embedded_brain():
    cloud = config.AvailableModel(name="claude", provider="cloud", cost_tier=2)
    stage = Stage(ScriptedModel(say("x"), name="cloud"), default="claude", available=(cloud,))
    end = await stage.failed("a title", model="thane:local", caller=Caller(task="title_generation"))
    assert "no local model is configured" in end.message
    assert [] == stage.events
