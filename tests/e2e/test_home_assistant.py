"""A real Home Assistant adds Thane as an Ollama server and controls its own house by it, with no model and no token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import home_assistant, program
from tests.e2e.home_assistant import HomeAssistant, speech
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def thane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program.running(tmp_path_factory.mktemp("thane")) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, thane: Program) -> Iterator[HomeAssistant]:
    folder: Path = tmp_path_factory.mktemp("home-assistant")
    with home_assistant.running(folder) as running:
        entry = running.add_ollama(thane.ollama)
        running.add_agent(entry, name="Thane", model="thane:latest", llm_hass_api=["assist"])
        yield running


@pytest.fixture(scope="module")
def agent(home: HomeAssistant) -> str:
    return home.agent("Thane")


def test_turning_off_the_kitchen_lights_turns_them_off(home: HomeAssistant, agent: str, thane: Program) -> None:
    home.call("POST", "/api/services/light/turn_on", {"entity_id": "light.kitchen_lights"})
    assert home.state("light.kitchen_lights") == "on"
    answer = home.say(agent, "turn off the kitchen lights")
    assert home.state("light.kitchen_lights") == "off"
    assert "Kitchen" in speech(answer) or "light" in speech(answer).lower()
    conversations = thane.conversations()
    assert [conversation["channel"] for conversation in conversations] == ["ha"]
    loops = [loop for loop in thane.get("/v1/loops") if loop["name"].startswith("ha/")]
    assert len(loops) == 1


def test_a_follow_up_stays_in_its_conversation(home: HomeAssistant, agent: str, thane: Program) -> None:
    before = {conversation["id"] for conversation in thane.conversations()}
    first = home.say(agent, "turn on the ceiling lights")
    assert home.state("light.ceiling_lights") == "on"
    home.say(agent, "turn off the ceiling lights", first["conversation_id"])
    assert home.state("light.ceiling_lights") == "off"
    new = [conversation for conversation in thane.conversations() if conversation["id"] not in before]
    assert len(new) == 1


@pytest.mark.parametrize(
    ("sentence", "entity", "expected"),
    [
        ("set the bed light to 30%", "light.bed_light", "on"),
        ("open the garage door", "cover.garage_door", "open"),
        ("lock the front door", "lock.front_door", "locked"),
        ("pause the walkman", "media_player.walkman", "paused"),
    ],
)
def test_other_devices_obey(home: HomeAssistant, agent: str, sentence: str, entity: str, expected: str) -> None:
    home.say(agent, sentence)
    assert program.wait_until(entity, lambda: home.state(entity) == expected, seconds=20)


def test_a_question_is_answered_from_live_states(home: HomeAssistant, agent: str) -> None:
    home.call("POST", "/api/services/light/turn_on", {"entity_id": "light.bed_light"})
    assert "bed light" in speech(home.say(agent, "which lights are on?")).lower()


def test_what_is_not_understood_gets_an_honest_sentence(home: HomeAssistant, agent: str) -> None:
    said = speech(home.say(agent, "compose a sonnet about entropy"))
    assert "model" in said
    assert "unexpected error" not in said.lower()


def test_a_device_that_is_not_there_is_said(home: HomeAssistant, agent: str) -> None:
    said = speech(home.say(agent, "turn off the disco ball"))
    assert said
    assert "unexpected error" not in said.lower()


def test_another_language_is_understood(home: HomeAssistant, tmp_path: Path) -> None:
    with program.running(tmp_path, {"language": "de"}) as german:
        home.add_agent(home.add_ollama(german.ollama), name="Haus", model="thane:latest", llm_hass_api=["assist"])
        home.call("POST", "/api/services/light/turn_on", {"entity_id": "light.kitchen_lights"})
        home.say(home.agent("Haus"), "schalte Kitchen Lights aus", language="de")
        assert home.state("light.kitchen_lights") == "off"
