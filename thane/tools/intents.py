"""What each house tool takes and which service it means for an entity: a table, pure.

Names, arguments and rules are those of Home Assistant's intents as it offers them to models (2026.11): `HassTurnOn`
locks a lock and opens a cover, volumes and speeds are percentages. `thane.tools.house` carries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from thane.home.colours import find_colour
from thane.home.house import Entity
from thane.turn import JSON

type Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
type Call = tuple[str, str, JSON]
"""Domain, service and data."""


class Target(msgspec.Struct, frozen=True):
    """The arguments that say which entities are meant."""

    name: str = ""
    area: str = ""
    floor: str = ""
    domain: tuple[str, ...] | str = ()
    device_class: tuple[str, ...] | str = ()


class LightSet(Target, frozen=True):
    brightness: Percent | None = None
    color: str | None = None
    temperature: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.color is not None and find_colour(self.color) is None:
            raise ValueError(f"there is no colour {self.color!r}; use a CSS colour name such as red or skyblue")


class ClimateSet(Target, frozen=True, kw_only=True):
    temperature: float


class PositionSet(Target, frozen=True, kw_only=True):
    position: Percent


class SpeedSet(Target, frozen=True, kw_only=True):
    percentage: Percent


class VolumeSet(Target, frozen=True, kw_only=True):
    volume_level: Percent


class VolumeStep(Target, frozen=True, kw_only=True):
    volume_step: Literal["up", "down"] | Annotated[int, msgspec.Meta(ge=-100, le=100)]


_PERCENT: JSON = {"type": "integer", "minimum": 0, "maximum": 100}
_COVER_CLASSES = ("awning", "blind", "curtain", "damper", "door", "garage", "gate", "shade", "shutter", "window")
_PLAYER_CLASSES = ("tv", "speaker", "receiver", "projector")


@dataclass(frozen=True)
class Intent:
    """One tool. `service` gives the call for one entity, or raises ValueError when it has none.

    `domains`, `states` and `features` limit the entities; `single` wants exactly one; `playing_first` prefers, of
    several unnamed players, those in that state. `required` are argument names beside the target.
    """

    name: str
    description: str
    service: Callable[[Entity, Any], Call]
    arguments: type[Target] = Target
    properties: tuple[tuple[str, JSON], ...] = ()
    required: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    features: int = 0
    single: bool = False
    prefer_state: str = ""

    def parameters(self) -> JSON:
        """The JSON Schema of its arguments."""
        domain: JSON = {"type": "string", "enum": list(self.domains)} if self.domains else {"type": "string"}
        properties: JSON = {name: {"type": "string"} for name in ("name", "area", "floor")}
        properties["domain"] = {"type": "array", "items": domain}
        if self.classes:
            properties["device_class"] = {"type": "array", "items": {"type": "string", "enum": list(self.classes)}}
        schema: JSON = {"type": "object", "properties": properties | dict(self.properties)}
        return schema | {"required": list(self.required)} if self.required else schema


_TURN_ON = {"cover": "open_cover", "lock": "lock", "valve": "open_valve", "button": "press", "input_button": "press"}
_TURN_OFF = {"cover": "close_cover", "lock": "unlock", "valve": "close_valve"}
_ONE_WAY = ("button", "input_button", "scene")  # they can be started and not stopped
_UNSWITCHABLE = ("sensor", "binary_sensor", "person", "weather", "sun", "zone", "event")


def _turn_on(entity: Entity, _arguments: Target) -> Call:
    if entity.domain in _UNSWITCHABLE:
        raise ValueError(f"Service turn_on does not support entity {entity.id}")
    return entity.domain, _TURN_ON.get(entity.domain, "turn_on"), {}


def _turn_off(entity: Entity, _arguments: Target) -> Call:
    if entity.domain in _ONE_WAY:
        raise ValueError(f"Entity {entity.id} cannot be turned off")
    if entity.domain in _UNSWITCHABLE:
        raise ValueError(f"Service turn_off does not support entity {entity.id}")
    return entity.domain, _TURN_OFF.get(entity.domain, "turn_off"), {}


def _toggle(entity: Entity, arguments: Target) -> Call:
    if entity.domain == "lock":
        return entity.domain, "unlock" if entity.state == "locked" else "lock", {}
    if entity.domain in (*_ONE_WAY, *_UNSWITCHABLE):
        return _turn_on(entity, arguments)
    return entity.domain, "toggle", {}


def _light_set(_entity: Entity, arguments: LightSet) -> Call:
    colour = find_colour(arguments.color) if arguments.color else None
    values = {
        "brightness_pct": arguments.brightness,
        "rgb_color": colour,
        "color_temp_kelvin": None if colour else arguments.temperature,
    }
    return "light", "turn_on", {name: value for name, value in values.items() if value is not None}


def _moving(service: str) -> Callable[[Entity, Target], Call]:
    def call(entity: Entity, _arguments: Target) -> Call:
        if entity.domain not in ("cover", "valve"):
            raise ValueError(f"Domain not supported: {entity.domain}")
        return entity.domain, service.format(domain=entity.domain), {}

    return call


def _position(entity: Entity, arguments: PositionSet) -> Call:
    domain, service, _ = _moving("set_{domain}_position")(entity, arguments)
    return domain, service, {"position": arguments.position}


def _plain(domain: str, service: str) -> Callable[[Entity, Target], Call]:
    return lambda _entity, _arguments: (domain, service, {})


def _volume_step(entity: Entity, arguments: VolumeStep) -> Call:
    step = arguments.volume_step
    if isinstance(step, str):
        return "media_player", f"volume_{step}", {}
    level = float(entity.attributes.get("volume_level") or 0) + step / 100
    return "media_player", "volume_set", {"volume_level": min(1.0, max(0.0, level))}


def _media(name: str, description: str, service: str, features: int, **more: Any) -> Intent:
    return Intent(
        name,
        description,
        _plain("media_player", service),
        domains=("media_player",),
        classes=_PLAYER_CLASSES,
        features=features,
        **more,
    )


def _mute(name: str, description: str, muted: bool) -> Intent:
    return Intent(
        name,
        description,
        lambda _entity, _arguments: ("media_player", "volume_mute", {"is_volume_muted": muted}),
        domains=("media_player",),
        classes=_PLAYER_CLASSES,
        features=8,
    )


_SWITCHED = (*_COVER_CLASSES, *_PLAYER_CLASSES, "outlet", "switch", "water", "gas")

INTENTS: tuple[Intent, ...] = (
    Intent(
        "HassTurnOn",
        "Turns on, opens, presses or activates devices, and locks locks.",
        _turn_on,
        classes=_SWITCHED,
    ),
    Intent(
        "HassTurnOff",
        "Turns off or closes devices, and unlocks locks.",
        _turn_off,
        classes=_SWITCHED,
    ),
    Intent("HassToggle", "Switches devices to their other state.", _toggle, classes=_SWITCHED),
    Intent(
        "HassLightSet",
        "Sets the brightness (percent), colour (a CSS name) or colour temperature (kelvin) of lights.",
        _light_set,
        LightSet,
        (("brightness", _PERCENT), ("color", {"type": "string"}), ("temperature", {"type": "integer"})),
        domains=("light",),
    ),
    Intent(
        "HassClimateSetTemperature",
        "Sets the target temperature of a thermostat.",
        lambda _entity, arguments: ("climate", "set_temperature", {"temperature": arguments.temperature}),
        ClimateSet,
        (("temperature", {"type": "number"}),),
        required=("temperature",),
        domains=("climate",),
        features=1,
        single=True,
    ),
    Intent(
        "HassSetPosition",
        "Sets covers to a position in percent; 100 is open.",
        _position,
        PositionSet,
        (("position", _PERCENT),),
        required=("position",),
        classes=(*_COVER_CLASSES, "water", "gas"),
    ),
    Intent(
        "HassStopMoving", "Stops moving covers.", _moving("stop_{domain}"), classes=(*_COVER_CLASSES, "water", "gas")
    ),
    _media("HassMediaPause", "Pauses media players.", "media_pause", 1, states=("playing",)),
    _media("HassMediaUnpause", "Resumes media players.", "media_play", 0, prefer_state="paused"),
    _media("HassMediaNext", "Skips to the next item.", "media_next_track", 32, states=("playing",)),
    _media("HassMediaPrevious", "Goes back to the previous item.", "media_previous_track", 16, states=("playing",)),
    Intent(
        "HassSetVolume",
        "Sets the volume of media players in percent.",
        lambda _entity, arguments: ("media_player", "volume_set", {"volume_level": arguments.volume_level / 100}),
        VolumeSet,
        (("volume_level", _PERCENT),),
        required=("volume_level",),
        domains=("media_player",),
        classes=_PLAYER_CLASSES,
        features=4,
    ),
    Intent(
        "HassSetVolumeRelative",
        'Changes the volume of media players: "up", "down", or a step in percent.',
        _volume_step,
        VolumeStep,
        (("volume_step", {"anyOf": [{"type": "string", "enum": ["up", "down"]}, {"type": "integer"}]}),),
        required=("volume_step",),
        domains=("media_player",),
        features=4,
        prefer_state="playing",
    ),
    _mute("HassMediaPlayerMute", "Mutes media players.", muted=True),
    _mute("HassMediaPlayerUnmute", "Unmutes media players.", muted=False),
    Intent(
        "HassFanSetSpeed",
        "Sets the speed of fans in percent.",
        lambda _entity, arguments: ("fan", "turn_on", {"percentage": arguments.percentage}),
        SpeedSet,
        (("percentage", _PERCENT),),
        required=("percentage",),
        domains=("fan",),
    ),
    Intent("HassVacuumStart", "Starts vacuum cleaners.", _plain("vacuum", "start"), domains=("vacuum",), features=8192),
    Intent(
        "HassVacuumReturnToBase",
        "Sends vacuum cleaners back to their base.",
        _plain("vacuum", "return_to_base"),
        domains=("vacuum",),
        features=16,
    ),
)
"""Every tool that acts on the house, in the order in which models see them."""
