from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.home.doubles import demo_home
from thane.home.demo import DemoHome
from thane.home.house import Area, Entity, HouseError
from thane.tools.house import house_tools
from thane.tools.intents import INTENTS
from thane.tools.tool import ToolContext, ToolRegistry, ToolResult
from thane.turn import JSON


def context(area: str = "") -> ToolContext:
    return ToolContext("r_1", "call_1", "c_1", "api", "en", area)


async def call(home: DemoHome, name: str, arguments: JSON, area: str = "") -> ToolResult:
    tool = ToolRegistry(house_tools(home)).get(name)
    assert tool is not None
    return await tool.call(arguments, context(area))


def read(result: ToolResult) -> Any:
    decoded = msgspec.json.decode(result.content)
    assert result.ok is not decoded["error"]
    return decoded["data"]


def changed(home: DemoHome) -> dict[str, str]:
    """The entities that a run has changed, and their states."""
    return {entity.id: entity.state for entity in home.entities() if entity.changed_by == "r_1"}


def test_the_tools_have_home_assistants_names_in_a_stable_order() -> None:
    names = [tool.spec.name for tool in house_tools(demo_home())]

    assert [intent.name for intent in INTENTS] + ["GetLiveContext"] == names
    assert {"HassTurnOn", "HassTurnOff", "HassLightSet", "HassClimateSetTemperature", "HassSetPosition"} <= set(names)


def test_every_tool_has_a_description_and_an_object_schema() -> None:
    for tool in house_tools(demo_home()):
        assert tool.spec.description
        assert "object" == tool.spec.parameters["type"]
        assert set(tool.spec.parameters.get("required", ())) <= set(tool.spec.parameters["properties"])


@pytest.mark.parametrize(
    ("name", "arguments", "states"),
    [
        ("HassTurnOff", {"name": "Kitchen Lights"}, {"light.kitchen_lights": "off"}),
        ("HassTurnOff", {"name": "kitchen lights", "area": "", "floor": None}, {"light.kitchen_lights": "off"}),
        ("HassTurnOff", {"name": "all", "area": "Kitchen", "domain": "switch"}, {}),
        (
            "HassTurnOff",
            {"area": "Kitchen", "domain": ["light"]},
            {"light.kitchen_lights": "off", "light.counter_light": "off"},
        ),
        ("HassTurnOn", {"floor": "First Floor", "domain": ["fan"]}, {"fan.bedroom_fan": "on"}),
        ("HassTurnOn", {"name": "Back Door"}, {"lock.back_door": "locked"}),
        ("HassTurnOff", {"name": "Front Door", "domain": ["lock"]}, {"lock.front_door": "unlocked"}),
        ("HassTurnOn", {"name": "Garage Door"}, {"cover.garage_door": "open"}),
        ("HassTurnOff", {"area": "Kitchen", "device_class": ["blind"]}, {"cover.kitchen_blind": "closed"}),
        ("HassToggle", {"name": "Printer"}, {"switch.printer": "on"}),
        ("HassToggle", {"name": "Front Door"}, {"lock.front_door": "unlocked"}),
        ("HassLightSet", {"name": "Bed Light", "brightness": 30}, {"light.bed_light": "on"}),
        ("HassLightSet", {"name": "Bed Light", "brightness": "30", "color": "red"}, {"light.bed_light": "on"}),
        ("HassLightSet", {"name": "Bed Light", "temperature": 2700}, {"light.bed_light": "on"}),
        ("HassClimateSetTemperature", {"name": "Heating", "temperature": 21}, {"climate.thermostat": "heat"}),
        ("HassClimateSetTemperature", {"area": "Bathroom", "temperature": 23}, {"climate.bathroom_heating": "heat"}),
        ("HassSetPosition", {"name": "Office Shutter", "position": 20}, {"cover.office_shutter": "open"}),
        ("HassStopMoving", {"name": "Office Shutter"}, {}),
        ("HassMediaPause", {"area": "Living Room"}, {"media_player.living_room_speaker": "paused"}),
        ("HassMediaUnpause", {"domain": ["media_player"]}, {"media_player.kitchen_radio": "playing"}),
        ("HassMediaNext", {"name": "Living Room Speaker"}, {"media_player.living_room_speaker": "playing"}),
        ("HassMediaPrevious", {"name": "Living Room Speaker"}, {"media_player.living_room_speaker": "playing"}),
        ("HassSetVolume", {"name": "TV", "volume_level": 50}, {"media_player.tv": "off"}),
        ("HassSetVolumeRelative", {"volume_step": "up"}, {"media_player.living_room_speaker": "playing"}),
        ("HassSetVolumeRelative", {"name": "TV", "volume_step": -10}, {"media_player.tv": "off"}),
        ("HassMediaPlayerMute", {"name": "TV"}, {"media_player.tv": "off"}),
        ("HassFanSetSpeed", {"name": "Bedroom Fan", "percentage": 40}, {"fan.bedroom_fan": "on"}),
        ("HassVacuumStart", {}, {"vacuum.vacuum": "cleaning"}),
        ("HassVacuumReturnToBase", {"name": "Vacuum"}, {}),
    ],
)
async def test_tools_change_what_is_meant_and_nothing_else(name: str, arguments: JSON, states: dict[str, str]) -> None:
    home = demo_home()

    result = await call(home, name, arguments)

    assert result.ok
    assert states == changed(home)


async def test_a_scene_is_turned_on_by_its_name() -> None:
    home = demo_home()

    data = read(await call(home, "HassTurnOn", {"name": "Film Night"}))

    assert [{"name": "Movie Night", "type": "entity", "id": "scene.movie_night"}] == data["data"]["success"]
    assert "off" == changed(home)["light.living_room_lights"]


async def test_a_result_lists_the_area_and_what_was_reached() -> None:
    data = read(await call(demo_home(), "HassTurnOff", {"area": "kitchen", "domain": ["light"]}))

    assert {
        "response_type": "action_done",
        "data": {
            "success": [
                {"name": "Kitchen", "type": "area", "id": "kitchen"},
                {"name": "Kitchen Lights", "type": "entity", "id": "light.kitchen_lights"},
                {"name": "Counter Light", "type": "entity", "id": "light.counter_light"},
            ],
            "failed": [],
        },
    } == data


async def test_what_cannot_do_it_is_listed_as_failed_beside_what_could() -> None:
    home = demo_home()

    data = read(await call(home, "HassTurnOff", {"area": "Bedroom"}))

    assert {"Bedroom Temperature", "Bedroom Humidity", "Bedroom Window"} == {t["name"] for t in data["data"]["failed"]}
    assert {"Bedroom", "Bedroom Lights", "Bed Light", "Bedroom Curtains", "Bedroom Fan"} == {
        target["name"] for target in data["data"]["success"]
    }


@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        (
            "HassTurnOff",
            {"name": "Disco Ball"},
            "MatchFailedError",
            "matched the name (given name 'Disco Ball')",
        ),
        ("HassTurnOff", {"area": "Attic"}, "MatchFailedError", "The area does not exist (given area 'Attic')"),
        ("HassTurnOff", {}, "IntentHandleError", "Service handler cannot target all devices"),
        ("HassTurnOff", {"name": "all"}, "IntentHandleError", "Service handler cannot target all devices"),
        ("HassTurnOff", {"name": "Dinner"}, "IntentHandleError", "Entity scene.dinner cannot be turned off"),
        (
            "HassTurnOn",
            {"name": "Solar Power"},
            "IntentHandleError",
            "not support entity sensor.solar_power",
        ),
        ("HassLightSet", {"name": "Bed Light", "brightness": 300}, "InvalidSlotInfo", "brightness"),
        ("HassLightSet", {"name": "Bed Light", "color": "octarine"}, "InvalidSlotInfo", "no colour 'octarine'"),
        ("HassLightSet", {"name": "TV", "domain": ["media_player"]}, "InvalidSlotInfo", "domain must be one of light"),
        (
            "HassLightSet",
            {"name": "Desk Lamp", "color": "red"},
            "IntentHandleError",
            "cannot change its colour",
        ),
        ("HassClimateSetTemperature", {"temperature": 21}, "MatchFailedError", "a single target is required"),
        ("HassClimateSetTemperature", {"name": "Thermostat"}, "InvalidSlotInfo", "temperature"),
        ("HassClimateSetTemperature", {"name": "Thermostat", "temperature": 90}, "IntentHandleError", "7 to 30"),
        ("HassSetPosition", {"name": "Bed Light", "position": 3}, "IntentHandleError", "Domain not supported: light"),
        ("HassMediaPause", {"name": "TV"}, "MatchFailedError", "states playing, features 1)"),
        ("HassSetVolumeRelative", {"name": "TV", "volume_step": "sideways"}, "InvalidSlotInfo", "volume_step"),
        ("HassTurnOff", {"name": ["Bed Light"]}, "InvalidSlotInfo", "name"),
    ],
)
async def test_what_fails_says_why_in_home_assistants_shape(name: str, arguments: JSON, error: str, text: str) -> None:
    home = demo_home()

    result = await call(home, name, arguments)

    assert not result.ok
    data = read(result)
    assert error == data["error"]
    assert text in data["error_text"]
    assert {} == changed(home)


async def test_the_speakers_area_decides_which_thermostat_is_meant() -> None:
    home = demo_home()

    await call(home, "HassClimateSetTemperature", {"temperature": 21}, area="Bathroom")

    assert {"climate.bathroom_heating": "heat"} == changed(home)


class BrokenHouse:
    """A house whose link is down."""

    name = "homeassistant"

    def areas(self) -> tuple[Area, ...]:
        return ()

    def entities(self) -> tuple[Entity, ...]:
        return (Entity("light.a", "A", "on"), Entity("light.b", "B", "on"))

    def entity(self, entity_id: str) -> Entity | None:
        return None

    async def call_service(self, *arguments: object, **options: object) -> tuple[Entity, ...]:
        raise HouseError("Home Assistant does not answer.", dependency="homeassistant")


async def test_a_house_that_does_not_answer_is_a_failed_result() -> None:
    tool = ToolRegistry(house_tools(BrokenHouse())).get("HassTurnOff")
    assert tool is not None

    result = await tool.call({"domain": ["light"]}, context())

    assert {"error": "IntentHandleError", "error_text": "Home Assistant does not answer."} == read(result)
