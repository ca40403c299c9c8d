"""Conversations of a real Home Assistant with a model behind Thane: apart, whole, and one turn each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import home_assistant, program
from tests.e2e.home_assistant import HomeAssistant, speech
from tests.e2e.installed import ROOT
from tests.e2e.program import Program
from tests.e2e.talking_model import MODEL, Relay, TalkingModel, relay, talking_model

pytestmark = pytest.mark.e2e

OPENING = "Tell me something about the sea"


@dataclass
class World:
    model: TalkingModel
    thane: Program
    link: Relay
    home: HomeAssistant
    entry: str

    def conversations(self) -> list[dict[str, Any]]:
        """Every one of Home Assistant's, the first one first, with its messages."""
        found = self.thane.get("/v1/conversations?channel=ha&sort=created&order=asc&limit=500")["conversations"]
        return [self.thane.get(f"/v1/conversations/{each['id']}") for each in found]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("talks")
    with ExitStack() as stack:
        model = stack.enter_context(talking_model())
        settings = {"models": {"default": MODEL, "ollama_url": model.url}}
        thane = stack.enter_context(program.running(folder / "thane", settings))
        link = stack.enter_context(relay(thane.ollama))
        home = stack.enter_context(home_assistant.running(folder / "home"))
        entry = home.add_ollama(link.url)
        home.add_agent(entry, name="Thane", model="thane:latest", llm_hass_api=["assist"])
        home.add_agent(entry, name="Forgetful", model="thane:latest", llm_hass_api=["assist"], max_history=1)
        home.add_agent(entry, name="Chatty", model="thane:latest")
        marked = {"model": "thane:latest", "prompt": f"Be kind.\n{documented_marker()}"}
        home.add_agent(entry, name="Marked", llm_hass_api=["assist"], **marked)
        home.add_agent(entry, name="Restless", **marked)  # its prompt, and so its key, is a new one each turn
        yield World(model, thane, link, home, entry)


def documented_marker() -> str:
    """What the documentation tells owners to put into an agent's instructions."""
    lines = (ROOT / "docs" / "conversations.md").read_text().splitlines()
    return next(line for line in lines if line.startswith("KEY="))


def said(conversation: dict[str, Any], role: str) -> list[str]:
    return [each["content"] for each in conversation["messages"] if each["role"] == role]


@pytest.mark.parametrize("agent", ["Thane", "Forgetful", "Chatty", "Marked", "Restless"])
def test_interleaved_conversations_that_begin_alike_stay_apart(world: World, agent: str) -> None:
    before, asked = len(world.conversations()), len(world.model.turns)
    ids: dict[str, str | None] = {"rice": None, "bread": None}
    for text in (OPENING, "Say more about {}", "And more about {}", "And the end of {}"):
        for word, conversation_id in ids.items():
            answer = world.home.say(world.home.agent(agent), text.format(word), conversation_id)
            assert speech(answer).startswith("Answer ")
            ids[word] = answer["conversation_id"]
    new = world.conversations()[before:]
    assert [
        [OPENING, f"Say more about {word}", f"And more about {word}", f"And the end of {word}"] for word in ids
    ] == [said(each, "user") for each in new]
    assert [1, 1] == [len(each["branches"]) for each in new]
    assert [4, 4] == [each["turn_count"] for each in new]
    for turn in world.model.turns[asked:]:
        words = " ".join(str(each.get("content")) for each in turn.body["messages"] if each["role"] != "system")
        assert not ("rice" in words and "bread" in words)


def test_the_marker_tells_apart_what_nothing_else_does_and_names_the_person(world: World) -> None:
    agent, before = world.home.agent("Marked"), len(world.conversations())
    ids: list[str | None] = [None, None]
    for text in (OPENING, "Say more", "Say more"):
        for place, conversation_id in enumerate(ids):
            world.model.script.append({"role": "assistant", "content": "It is wet."})
            answer = world.home.say(agent, text, conversation_id)
            assert "It is wet." == speech(answer)
            ids[place] = answer["conversation_id"]
    new = world.conversations()[before:]
    assert [[OPENING, "Say more", "Say more"]] * 2 == [said(each, "user") for each in new]
    assert ["Owner", "Owner"] == [each["user"] for each in new]
    prompt = str(world.model.turns[-1].body["messages"])
    assert "KEY=" not in prompt
    assert "Be kind." in prompt


def test_the_rounds_of_its_tools_are_one_turn(world: World) -> None:
    world.home.call("POST", "/api/services/light/turn_on", {"entity_id": "light.kitchen_lights"})
    call = {"function": {"name": "intent__HassTurnOff", "arguments": {"name": "Kitchen Lights", "domain": ["light"]}}}
    world.model.script.append({"role": "assistant", "content": "", "tool_calls": [call]})
    answer = world.home.say(world.home.agent("Thane"), "I would like it dark where we cook, my dear")
    assert "off" == world.home.state("light.kitchen_lights")
    assert speech(answer).startswith("Answer ")
    last = world.conversations()[-1]
    assert (1, 2) == (last["turn_count"], last["run_count"])
    assert ["user", "assistant", "tool", "assistant"] == [each["role"] for each in last["messages"]]
    runs = world.thane.get(f"/v1/runs?conversation_id={last['id']}")["recent"]
    assert 1 == len({run["turn_id"] for run in runs})


def test_the_area_of_a_satellite_reaches_the_turn(world: World) -> None:
    home = world.home
    area, devices, pipelines = home.commands(
        {"type": "config/area_registry/create", "name": "Winter Garden"},
        {"type": "config/device_registry/list"},
        {"type": "assist_pipeline/pipeline/list"},
    )
    device: Any = devices[0]  # pyright: ignore[reportArgumentType] this result is a list
    language = {"language": "en", "conversation_language": "en"}
    pipeline = {"name": "Satellite", "conversation_engine": home.agent("Thane"), **language}
    nothing = {"stt_engine": None, "stt_language": None, "tts_engine": None, "tts_language": None, "tts_voice": None}
    wake = {"wake_word_entity": None, "wake_word_id": None, "prefer_local_intents": False}
    assert pipelines
    made = home.commands(
        {"type": "config/device_registry/update", "device_id": device["id"], "area_id": area["area_id"]},
        {"type": "assist_pipeline/pipeline/create", **pipeline, **nothing, **wake},
    )[1]
    run = {"type": "assist_pipeline/run", "start_stage": "intent", "end_stage": "intent", "pipeline": made["id"]}
    asked = {"input": {"text": "What grows in here, do you think?"}, "device_id": device["id"]}
    home.commands({**run, **asked}, until="run-end")
    last = world.conversations()[-1]
    assert ("Winter Garden", ["What grows in here, do you think?"]) == (last["area"], said(last, "user"))
    assert "Winter Garden" in str(world.model.turns[-1].body["messages"])


@pytest.mark.parametrize("agent", ["Thane", "Chatty"])
def test_after_an_error_the_conversation_goes_on(world: World, agent: str) -> None:
    before = len(world.conversations())
    first = world.home.say(world.home.agent(agent), "Describe a wave to me")
    failed = world.home.say(world.home.agent(agent), "And how do they shatter", first["conversation_id"])
    assert speech(failed)
    assert "unexpected error" not in speech(failed).lower()
    after = world.home.say(world.home.agent(agent), "Then describe the tide", first["conversation_id"])
    assert speech(after).startswith("Answer ")
    assert before + 1 == len(world.conversations())
    last = world.conversations()[-1]
    assert ["Describe a wave to me", "And how do they shatter", "Then describe the tide"] == said(last, "user")


@pytest.mark.parametrize("agent", ["Thane", "Chatty"])
def test_after_a_broken_link_the_conversation_goes_on(world: World, agent: str) -> None:
    before = len(world.conversations())
    entity = world.home.agent(agent)
    first = world.home.say(entity, "Tell me of the anchor")
    with world.link.broken(), pytest.raises(AssertionError, match=": 500 "):  # Home Assistant has no words for it
        world.home.say(entity, "And of its chain", first["conversation_id"])
    after = world.home.say(entity, "Then of the rope", first["conversation_id"])
    assert speech(after).startswith("Answer ")
    assert before + 1 == len(world.conversations())
    asked = said(world.conversations()[-1], "user")
    assert ("Tell me of the anchor", "Then of the rope") == (asked[0], asked[-1])


@pytest.mark.parametrize("agent", ["Thane", "Chatty"])
def test_after_a_stop_at_the_dashboard_the_conversation_goes_on(world: World, agent: str) -> None:
    before = len(world.conversations())
    entity = world.home.agent(agent)
    first = world.home.say(entity, "Tell me of the harbour")
    with ThreadPoolExecutor(1) as pool:
        story = pool.submit(world.home.say, entity, "And now a long story of it", first["conversation_id"])
        (run,) = program.wait_until("the story is told", lambda: world.thane.get("/v1/runs")["running"])
        program.wait_until("it goes on", lambda: "word5" in world.model.turns[-1].answer)
        program.fetch(f"{world.thane.native}/v1/runs/{run['run_id']}", method="DELETE")
        assert story.result(30)
    after = world.home.say(entity, "Then of the lighthouse", first["conversation_id"])
    assert speech(after).startswith("Answer ")
    assert before + 1 == len(world.conversations())
    last = world.conversations()[-1]
    assert ["Tell me of the harbour", "And now a long story of it", "Then of the lighthouse"] == said(last, "user")
    assert 1 == len(last["branches"])


def test_an_ai_task_gets_bare_json_of_its_structure(world: World) -> None:
    before = len(world.conversations())
    world.home.add_task(world.entry, name="Painter", model="thane:latest")
    task = {
        "entity_id": "ai_task.painter",
        "task_name": "paint",
        "instructions": "Which colour, and how many pots?",
        "structure": {
            "colour": {"selector": {"text": {}}, "required": True},
            "count": {"selector": {"number": {"min": 0, "max": 9}}, "required": True},
        },
    }

    def is_there() -> bool:
        return any(state["entity_id"] == "ai_task.painter" for state in world.home.call("GET", "/api/states"))

    program.wait_until("the task is there", is_there, seconds=20)
    answer = world.home.call("POST", "/api/services/ai_task/generate_data?return_response", task)
    assert {"colour": "blue", "count": 3} == answer["service_response"]["data"]
    assert before + 1 == len(world.conversations())
