from __future__ import annotations

import msgspec
import pytest
import trio

from tests.home.doubles import KeptEvents, StandingClock, demo_home
from thane.home.demo import DemoHome
from thane.home.demo_devices import AREAS, ENTITIES, SCENES
from thane.home.house import House, HouseError
from thane.turn import JSON


def test_the_demo_home_is_a_house() -> None:
    house: House = demo_home()

    assert "demo" == house.name
    assert AREAS == house.areas()
    assert [entity.id for entity in ENTITIES] == [entity.id for entity in house.entities()]
    assert house.entity("light.nowhere") is None


def test_every_device_stands_in_an_area_and_ids_are_unique() -> None:
    areas = {area.id for area in AREAS} | {""}
    names = [name.casefold() for entity in ENTITIES for name in (entity.name, *entity.aliases)]

    assert not [entity.id for entity in ENTITIES if entity.area not in areas]
    assert len(ENTITIES) == len({entity.id for entity in ENTITIES})
    assert len(names) == len(set(names))


def test_all_that_the_house_needs_is_there() -> None:
    domains = {entity.domain for entity in ENTITIES}

    assert {
        "light",
        "switch",
        "climate",
        "cover",
        "lock",
        "sensor",
        "binary_sensor",
        "scene",
        "media_player",
        "fan",
        "vacuum",
        "weather",
    } == domains


async def test_a_change_is_seen_at_once_and_published_with_its_cause() -> None:
    clock, events = StandingClock(100.0), KeptEvents()
    home = DemoHome(clock, events)
    clock.now = 200.0

    changed = await home.call_service("light", "turn_off", ["light.kitchen_lights"], run_id="r_1")

    light = home.entity("light.kitchen_lights")
    assert light is not None
    assert (light,) == changed
    assert ("off", None, 200.0, "r_1") == (
        light.state,
        light.attributes["brightness"],
        light.changed_at,
        light.changed_by,
    )
    called = {
        "domain": "light",
        "service": "turn_off",
        "entity_ids": ["light.kitchen_lights"],
        "data": {},
        "run_id": "r_1",
    }
    assert [called] == events.of("home/service_called")
    (change,) = events.of("home/state_changed")
    assert ("light.kitchen_lights", "Kitchen Lights", "on", "off", "r_1") == (
        change["entity_id"],
        change["name"],
        change["old_state"],
        change["new_state"],
        change["run_id"],
    )
    assert (255, None) == (change["old_attributes"]["brightness"], change["new_attributes"]["brightness"])
    assert ["home/service_called", "home/state_changed"] == [name for name, _ in events.events]


async def test_what_stays_the_same_is_not_published_as_a_change() -> None:
    events = KeptEvents()
    home = DemoHome(StandingClock(), events)

    await home.call_service("lock", "lock", ["lock.front_door"])

    assert 1 == len(events.of("home/service_called"))
    assert [] == events.of("home/state_changed")


@pytest.mark.parametrize(
    ("service", "entity_id", "data", "state", "attributes"),
    [
        ("light.turn_on", "light.bed_light", {}, "on", {"brightness": 255, "color_mode": "rgb"}),
        ("light.turn_on", "light.bed_light", {"brightness_pct": 30}, "on", {"brightness": 76}),
        ("light.turn_on", "light.bed_light", {"brightness_pct": "30"}, "on", {"brightness": 76}),
        ("light.turn_on", "light.bed_light", {"brightness": 0}, "off", {"brightness": None}),
        ("light.turn_on", "light.floor_lamp", {"brightness_step_pct": -100}, "off", {"brightness": None}),
        ("light.turn_on", "light.bed_light", {"color_name": "Sky Blue"}, "on", {"rgb_color": (135, 206, 235)}),
        ("light.turn_on", "light.bed_light", {"rgb_color": [1, 2, 3]}, "on", {"rgb_color": (1, 2, 3)}),
        ("light.turn_on", "light.desk_lamp", {"color_temp_kelvin": 9000}, "on", {"color_temp_kelvin": 6500}),
        ("light.turn_on", "light.hall_light", {}, "on", {"color_mode": "onoff"}),
        ("light.toggle", "light.kitchen_lights", {}, "off", {}),
        ("light.toggle", "light.bed_light", {}, "on", {}),
        ("homeassistant.turn_off", "light.kitchen_lights", {}, "off", {}),
        ("switch.toggle", "switch.printer", {}, "on", {}),
        ("fan.turn_on", "fan.bedroom_fan", {}, "on", {"percentage": 66}),
        ("fan.turn_on", "fan.bedroom_fan", {"percentage": 20}, "on", {"percentage": 20}),
        ("fan.set_percentage", "fan.bedroom_fan", {"percentage": 0}, "off", {"percentage": 0}),
        ("fan.toggle", "fan.bedroom_fan", {}, "on", {}),
        ("cover.open_cover", "cover.garage_door", {}, "open", {}),
        ("cover.close_cover", "cover.office_shutter", {}, "closed", {"current_position": 0}),
        ("cover.set_cover_position", "cover.office_shutter", {"position": 20}, "open", {"current_position": 20}),
        ("cover.toggle", "cover.garage_door", {}, "open", {}),
        ("cover.stop_cover", "cover.office_shutter", {}, "open", {"current_position": 50}),
        ("lock.unlock", "lock.front_door", {}, "unlocked", {}),
        ("climate.set_temperature", "climate.thermostat", {"temperature": 21.5}, "heat", {"temperature": 21.5}),
        ("climate.set_temperature", "climate.thermostat", {"temperature": 9, "hvac_mode": "auto"}, "auto", {}),
        ("climate.set_hvac_mode", "climate.thermostat", {"hvac_mode": "off"}, "off", {}),
        ("climate.turn_off", "climate.thermostat", {}, "off", {}),
        ("climate.turn_on", "climate.thermostat", {}, "heat", {}),
        ("media_player.media_pause", "media_player.living_room_speaker", {}, "paused", {}),
        (
            "media_player.media_next_track",
            "media_player.living_room_speaker",
            {},
            "playing",
            {"media_title": "So What"},
        ),
        ("media_player.media_previous_track", "media_player.tv", {}, "playing", {"media_title": "Late Film"}),
        ("media_player.volume_set", "media_player.tv", {"volume_level": 0.5}, "off", {"volume_level": 0.5}),
        ("media_player.volume_up", "media_player.tv", {}, "off", {"volume_level": 0.4}),
        ("media_player.volume_mute", "media_player.tv", {"is_volume_muted": True}, "off", {"is_volume_muted": True}),
        ("vacuum.start", "vacuum.vacuum", {}, "cleaning", {}),
        ("vacuum.return_to_base", "vacuum.vacuum", {}, "docked", {}),
    ],
)
async def test_devices_obey(service: str, entity_id: str, data: JSON, state: str, attributes: JSON) -> None:
    domain, _, name = service.partition(".")

    (entity,) = await demo_home().call_service(domain, name, [entity_id], data)

    assert state == entity.state
    assert attributes == {key: entity.attributes[key] for key in attributes}


@pytest.mark.parametrize(
    ("service", "entity_id", "data", "message"),
    [
        ("light.turn_on", "light.bed_light", {"brightness_pct": 300}, "brightness_pct"),
        ("light.turn_on", "light.bed_light", {"nope": 1}, "unknown field `nope`"),
        ("light.turn_on", "light.bed_light", {"color_name": "octarine"}, "no colour 'octarine'"),
        ("light.turn_on", "light.desk_lamp", {"color_name": "red"}, "Desk Lamp cannot change its colour"),
        ("light.turn_on", "light.kitchen_lights", {"color_temp_kelvin": 3000}, "cannot change its colour temperature"),
        ("light.turn_on", "light.hall_light", {"brightness_pct": 30}, "Hall Light cannot be dimmed"),
        ("light.explode", "light.bed_light", {}, "light.explode not found: light has toggle, turn_off, turn_on"),
        ("sensor.turn_on", "sensor.outdoor_temperature", {}, "sensor.turn_on not found"),
        ("scene.turn_off", "scene.dinner", {}, "scene.turn_off not found"),
        ("switch.turn_on", "light.bed_light", {}, "cannot be called on light.bed_light, which is a light"),
        ("light.turn_on", "light.nowhere", {}, "no entity 'light.nowhere'"),
        ("cover.set_cover_position", "cover.garage_door", {"position": 5}, "cannot be set to a position"),
        ("cover.set_cover_position", "cover.office_shutter", {}, "missing required field `position`"),
        (
            "climate.set_temperature",
            "climate.thermostat",
            {"temperature": 99},
            "the range of Thermostat: 7 to 30",
        ),
        ("climate.set_hvac_mode", "climate.thermostat", {"hvac_mode": "dry"}, "no mode 'dry'; it has off, heat, auto"),
    ],
)
async def test_what_cannot_be_done_says_why(service: str, entity_id: str, data: JSON, message: str) -> None:
    events = KeptEvents()
    home = DemoHome(StandingClock(), events)
    before = home.entities()
    domain, _, name = service.partition(".")

    with pytest.raises(HouseError) as failure:
        await home.call_service(domain, name, [entity_id], data)

    assert message in failure.value.message
    assert not failure.value.temporary
    assert (before, []) == (home.entities(), events.events)


async def test_nothing_changes_when_one_of_several_cannot() -> None:
    home = demo_home()
    before = home.entities()

    with pytest.raises(HouseError):
        await home.call_service("light", "turn_on", ["light.bed_light", "light.hall_light"], {"brightness_pct": 10})
    with pytest.raises(HouseError, match="called on no entity"):
        await home.call_service("light", "turn_on", [])

    assert before == home.entities()


async def test_a_cancelled_call_changes_nothing() -> None:
    events = KeptEvents()
    home = DemoHome(StandingClock(), events)
    before = home.entities()

    with trio.CancelScope() as scope:
        scope.cancel()
        await home.call_service("light", "turn_off", ["light.kitchen_lights"])

    assert scope.cancelled_caught
    assert (before, []) == (home.entities(), events.events)


async def test_a_scene_changes_its_devices_and_remembers_when() -> None:
    events = KeptEvents()
    home = DemoHome(StandingClock(), events)

    (scene,) = await home.call_service("scene", "turn_on", ["scene.movie_night"], run_id="r_2")

    assert "2026-11-23T14:05:09.000000Z" == scene.state
    states = {entity.id: entity.state for entity in home.entities()}
    assert ("off", "closed", "paused") == (
        states["light.living_room_lights"],
        states["cover.living_room_blinds"],
        states["media_player.living_room_speaker"],
    )
    assert {"r_2"} == {event["run_id"] for event in events.of("home/state_changed")}


async def test_what_one_call_changes_twice_keeps_both_changes() -> None:
    _, light = await demo_home().call_service("homeassistant", "turn_on", ["scene.dinner", "light.counter_light"])

    assert 64 == light.attributes["brightness"]  # the scene's 25 percent, kept by the plain turn_on after it


@pytest.mark.parametrize("scene", SCENES)
async def test_every_scene_can_be_activated(scene: str) -> None:
    await demo_home().call_service("scene", "turn_on", [scene])


def test_the_home_can_be_sent_as_json() -> None:
    assert msgspec.json.encode(demo_home().entities())
