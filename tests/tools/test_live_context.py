from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from tests.home.doubles import demo_home
from thane.home.house import Area, Entity
from thane.tools.live_context import HEADER, LiveContext, render_states
from thane.tools.tool import ToolContext, ToolResult
from thane.turn import JSON


async def ask(arguments: JSON) -> ToolResult:
    return await LiveContext(demo_home()).call(arguments, ToolContext("r_1", "call_1", "c_1", "api", "en"))


async def names(arguments: JSON) -> list[str]:
    text = msgspec.json.decode((await ask(arguments)).content)["data"]["result"]
    header, _, listed = text.partition("\n")
    assert HEADER == header
    items: Any = yaml.safe_load(listed)
    return [item["names"] for item in items]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"name": "garage door"}, ["Garage Door"]),
        ({"area": "garage"}, ["Garage Door", "Garage Light"]),
        ({"area": "Garage", "domain": "Light"}, ["Garage Light"]),
        ({"domain": ["climate", " "]}, ["Bathroom Heating", "Thermostat, Heating"]),
        ({"name": "Reading Lamp", "area": "", "domain": []}, ["Floor Lamp, Reading Lamp"]),
    ],
)
async def test_states_are_told_by_name_area_and_kind(arguments: JSON, found: list[str]) -> None:
    assert found == await names(arguments)


async def test_without_a_filter_all_states_are_told_by_name() -> None:
    everything = await names({})

    assert len(demo_home().entities()) == len(everything)
    assert sorted(everything) == everything


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "nope"}, "No exposed entities matched name 'nope'"),
        ({"area": "nope"}, "Area 'nope' does not exist"),
        ({"area": "Garden", "domain": "lock"}, "No exposed entities found in area 'Garden'"),
        ({"domain": "siren"}, "No exposed entities found in domain(s): siren"),
        ({"name": 5}, "Received invalid slot info for GetLiveContext: Expected `str | null`, got `int` - at `$.name`"),
    ],
)
async def test_what_is_not_there_is_said(arguments: JSON, error: str) -> None:
    result = await ask(arguments)

    assert not result.ok
    assert error == msgspec.json.decode(result.content)["data"]["error_text"]


def test_the_text_is_in_home_assistants_form() -> None:
    entities = (
        Entity("light.b", "Bed", "on", "up", {"brightness": 76, "color_mode": "rgb"}, ("Nachttischlampe",)),
        Entity("light.a", "A: 'x'", "off", "", {"brightness": None}),
        Entity("climate.c", "C", "heat", "up", {"current_temperature": 20.5, "hvac_modes": ("off",)}),
        Entity("sensor.d", "D", "on", "nowhere"),
    )

    text = render_states(entities, (Area("up", "Upstairs", aliases=("Top", "Attic")),))

    assert (
        """Live Context: An overview of the areas and the devices in this smart home:
- names: 'A: ''x'''
  domain: light
  state: 'off'
  attributes:
    brightness:
- names: Bed, Nachttischlampe
  domain: light
  state: 'on'
  areas: Upstairs, Attic, Top
  attributes:
    brightness: '76'
    brightness_pct: '30'
- names: C
  domain: climate
  state: heat
  areas: Upstairs, Attic, Top
  attributes:
    current_temperature: 20.5
- names: D
  domain: sensor
  state: 'on'
"""
        == text
    )
