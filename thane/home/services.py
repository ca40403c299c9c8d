"""The services of a house in memory: what data each takes and what it changes. Pure; the demo home applies them.

Names, data and attributes are Home Assistant's (its integrations `light`, `cover`, `climate`, …), as far as the demo
home's devices need them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from thane.home.colours import RGB, find_colour
from thane.home.house import Entity, HouseError
from thane.turn import JSON

type Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
type Step = Annotated[float, msgspec.Meta(ge=-100, le=100)]
type Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
type Kelvin = Annotated[int, msgspec.Meta(ge=1000, le=10000)]
type Level = Annotated[float, msgspec.Meta(ge=0, le=1)]
type Outcome = tuple[str, JSON]
"""The state and the attributes after a service."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service that takes no data."""


class LightOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    brightness: Byte | None = None
    brightness_pct: Percent | None = None
    brightness_step_pct: Step | None = None
    color_name: str | None = None
    rgb_color: tuple[Byte, Byte, Byte] | None = None
    color_temp_kelvin: Kelvin | None = None
    transition: float | None = None  # seconds; the demo home changes at once


class LightOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    transition: float | None = None


class FanOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    percentage: Percent | None = None


class FanSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    percentage: Percent


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: Percent


class Temperature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    temperature: float
    hvac_mode: str | None = None


class HvacMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hvac_mode: str


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    volume_level: Level


class Mute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    is_volume_muted: bool


def refuse(message: str) -> HouseError:
    """The error of a service that the house cannot do; asking again does not help."""
    return HouseError(message, dependency="home", temporary=False)


def _state(state: str) -> Callable[[Entity, Any], Outcome]:
    return lambda entity, _data: (state, dict(entity.attributes))


def _brightness(entity: Entity, data: LightOn) -> int:
    now = entity.attributes.get("brightness") or 0
    if data.brightness is not None:
        return data.brightness
    if data.brightness_pct is not None:
        return round(data.brightness_pct * 2.55)
    if data.brightness_step_pct is not None:
        return min(255, max(0, now + round(data.brightness_step_pct * 2.55)))
    return now or 255


def _colour(data: LightOn) -> RGB | None:
    if data.color_name is None:
        return data.rgb_color
    colour = find_colour(data.color_name)
    if colour is None:
        raise refuse(f"there is no colour {data.color_name!r}; use a CSS colour name such as red or skyblue")
    return colour


def _light_on(entity: Entity, data: LightOn) -> Outcome:
    attributes = dict(entity.attributes)
    modes = attributes.get("supported_color_modes", ("onoff",))
    brightness, colour = _brightness(entity, data), _colour(data)
    if brightness == 0:
        return _light_off(entity, LightOff())
    if colour is not None:
        if "rgb" not in modes:
            raise refuse(f"{entity.name} cannot change its colour")
        attributes |= {"color_mode": "rgb", "rgb_color": colour, "color_temp_kelvin": None}
    elif data.color_temp_kelvin is not None:
        if "color_temp" not in modes:
            raise refuse(f"{entity.name} cannot change its colour temperature")
        low, high = attributes["min_color_temp_kelvin"], attributes["max_color_temp_kelvin"]
        kelvin = min(high, max(low, data.color_temp_kelvin))
        attributes |= {"color_mode": "color_temp", "color_temp_kelvin": kelvin, "rgb_color": None}
    elif attributes.get("color_mode") is None:
        attributes["color_mode"] = modes[0]
    if tuple(modes) == ("onoff",):
        if data.brightness_pct is not None or data.brightness is not None:
            raise refuse(f"{entity.name} cannot be dimmed")
        return "on", attributes
    return "on", attributes | {"brightness": brightness}


def _light_off(entity: Entity, _data: LightOff) -> Outcome:
    attributes = dict(entity.attributes)
    if "brightness" in attributes:
        attributes["brightness"] = None
    return "off", attributes


def _light_toggle(entity: Entity, data: LightOn) -> Outcome:
    return _light_off(entity, LightOff()) if entity.state == "on" else _light_on(entity, data)


def _flip(entity: Entity, _data: Nothing) -> Outcome:
    return "off" if entity.state == "on" else "on", dict(entity.attributes)


def _fan(entity: Entity, percentage: float) -> Outcome:
    return "on" if percentage else "off", entity.attributes | {"percentage": round(percentage)}


def _fan_on(entity: Entity, data: FanOn) -> Outcome:
    now = entity.attributes.get("percentage") or 66
    return _fan(entity, now if data.percentage is None else data.percentage)


def _fan_toggle(entity: Entity, data: FanOn) -> Outcome:
    return _fan(entity, 0) if entity.state == "on" else _fan_on(entity, data)


def _cover(entity: Entity, position: float) -> Outcome:
    attributes = dict(entity.attributes)
    if "current_position" in attributes:
        attributes["current_position"] = round(position)
    return "open" if position else "closed", attributes


def _cover_position(entity: Entity, data: Position) -> Outcome:
    if "current_position" not in entity.attributes:
        raise refuse(f"{entity.name} cannot be set to a position, only opened and closed")
    return _cover(entity, data.position)


def _set_mode(entity: Entity, mode: str) -> Outcome:
    modes = entity.attributes.get("hvac_modes", ())
    if mode not in modes:
        raise refuse(f"{entity.name} has no mode {mode!r}; it has {', '.join(modes)}")
    return mode, dict(entity.attributes)


def _set_temperature(entity: Entity, data: Temperature) -> Outcome:
    low, high = entity.attributes["min_temp"], entity.attributes["max_temp"]
    if not low <= data.temperature <= high:
        raise refuse(f"{data.temperature:g} is out of the range of {entity.name}: {low:g} to {high:g}")
    state = entity.state if data.hvac_mode is None else _set_mode(entity, data.hvac_mode)[0]
    return state, entity.attributes | {"temperature": data.temperature}


def _climate_on(entity: Entity, _data: Nothing) -> Outcome:
    modes = [mode for mode in entity.attributes.get("hvac_modes", ()) if mode != "off"]
    return (entity.state if entity.state != "off" else modes[0]), dict(entity.attributes)


def _tracks(entity: Entity, step: int) -> Outcome:
    playlist = entity.attributes["playlist"]
    at = (playlist.index(entity.attributes["media_title"]) + step) % len(playlist)
    return "playing", entity.attributes | {"media_title": playlist[at]}


def _volume(entity: Entity, level: float) -> Outcome:
    return entity.state, entity.attributes | {"volume_level": round(min(1.0, max(0.0, level)), 2)}


def _mute(entity: Entity, data: Mute) -> Outcome:
    return entity.state, entity.attributes | {"is_volume_muted": data.is_volume_muted}


@dataclass(frozen=True)
class Service:
    """One service: the struct that its data must fit and what it makes of an entity. `change` may raise HouseError."""

    change: Callable[[Entity, Any], Outcome]
    data: type[msgspec.Struct] = Nothing


_ON, _OFF = Service(_state("on")), Service(_state("off"))

SERVICES: Mapping[str, Mapping[str, Service]] = {
    "light": {
        "turn_on": Service(_light_on, LightOn),
        "turn_off": Service(_light_off, LightOff),
        "toggle": Service(_light_toggle, LightOn),
    },
    "switch": {"turn_on": _ON, "turn_off": _OFF, "toggle": Service(_flip)},
    "fan": {
        "turn_on": Service(_fan_on, FanOn),
        "turn_off": Service(lambda entity, _data: _fan(entity, 0)),
        "toggle": Service(_fan_toggle, FanOn),
        "set_percentage": Service(lambda entity, data: _fan(entity, data.percentage), FanSpeed),
    },
    "cover": {
        "open_cover": Service(lambda entity, _data: _cover(entity, 100)),
        "close_cover": Service(lambda entity, _data: _cover(entity, 0)),
        "toggle": Service(lambda entity, _data: _cover(entity, 0 if entity.state == "open" else 100)),
        "stop_cover": Service(lambda entity, _data: (entity.state, dict(entity.attributes))),
        "set_cover_position": Service(_cover_position, Position),
    },
    "lock": {"lock": Service(_state("locked")), "unlock": Service(_state("unlocked"))},
    "climate": {
        "set_temperature": Service(_set_temperature, Temperature),
        "set_hvac_mode": Service(lambda entity, data: _set_mode(entity, data.hvac_mode), HvacMode),
        "turn_on": Service(_climate_on),
        "turn_off": Service(lambda entity, _data: _set_mode(entity, "off")),
    },
    "media_player": {
        "turn_on": Service(_state("idle")),
        "turn_off": _OFF,
        "toggle": Service(lambda entity, _data: ("idle" if entity.state == "off" else "off", dict(entity.attributes))),
        "media_play": Service(_state("playing")),
        "media_pause": Service(_state("paused")),
        "media_play_pause": Service(
            lambda entity, _data: ("paused" if entity.state == "playing" else "playing", dict(entity.attributes))
        ),
        "media_stop": Service(_state("idle")),
        "media_next_track": Service(lambda entity, _data: _tracks(entity, 1)),
        "media_previous_track": Service(lambda entity, _data: _tracks(entity, -1)),
        "volume_set": Service(lambda entity, data: _volume(entity, data.volume_level), Volume),
        "volume_up": Service(lambda entity, _data: _volume(entity, entity.attributes["volume_level"] + 0.1)),
        "volume_down": Service(lambda entity, _data: _volume(entity, entity.attributes["volume_level"] - 0.1)),
        "volume_mute": Service(_mute, Mute),
    },
    "vacuum": {
        "start": Service(_state("cleaning")),
        "pause": Service(_state("paused")),
        "stop": Service(_state("idle")),
        "return_to_base": Service(_state("docked")),
    },
}
"""Every service of the demo home but `scene.turn_on`, which changes other entities, by domain."""


def find_service(domain: str, service: str) -> Service:
    """The service of that name. Raises HouseError that names those there are."""
    if domain not in SERVICES:
        raise refuse(f"service {domain}.{service} not found: this home has services for {', '.join(sorted(SERVICES))}")
    found = SERVICES[domain].get(service)
    if found is None:
        raise refuse(f"service {domain}.{service} not found: {domain} has {', '.join(sorted(SERVICES[domain]))}")
    return found


def read_data(name: str, service: Service, data: JSON) -> Any:
    """The data as the service's struct; numbers may come as text. Raises HouseError that says which field is wrong."""
    try:
        return msgspec.convert(data, service.data, strict=False)
    except msgspec.ValidationError as error:
        raise refuse(f"{name}: {error}") from error
