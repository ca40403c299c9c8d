"""What a device is doing and how it changed, as its owner would say it. Attributes are Home Assistant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeIs

from thane.home.house import Entity
from thane.http.dashboard.recent import Change
from thane.turn import JSON

STATE_WORDS = {"on": "On", "off": "Off", "unavailable": "Not reachable", "unknown": "Unknown", "not_home": "Away"}
CONTACT_WORDS = {
    "door": ("Door open", "Closed"),
    "garage_door": ("Door open", "Closed"),
    "window": ("Window open", "Closed"),
    "motion": ("Motion", "Quiet"),
    "occupancy": ("Someone is here", "Empty"),
    "moisture": ("Wet", "Dry"),
    "smoke": ("Smoke", "No smoke"),
    "battery": ("Battery low", "Battery fine"),
}
"""What a binary sensor of a device class says when on, and when off."""

FIGURES = (
    ("brightness", 100 / 255),
    ("temperature", 0.0),
    ("current_position", 1.0),
    ("volume_level", 100.0),
    ("percentage", 1.0),
    ("current_temperature", 0.0),
)
"""Attributes whose change is worth showing: what they are times to be per cent, 0 for degrees."""


def change_words(change: Change) -> str:
    """The one thing that differs, old and new: `80 → 35 %`, `was Off`."""
    if change.old_state == change.new_state:
        for name, factor in FIGURES:
            old, new = change.old_attributes.get(name), change.new_attributes.get(name)
            if is_number(old) and is_number(new) and old != new:
                return f"{old * factor:.0f} → {new * factor:.0f} %" if factor else f"{degrees(old)} → {degrees(new)} °C"
        return "changed"
    return f"was {plain(change.old_state)}"


def state_words(entity: Entity) -> str:
    """What a device is doing: `On · 35 %`, `20.8 → 21.5 °C`, `Paused · Blue in Green`."""
    state, attributes = entity.state, entity.attributes
    if state in ("unavailable", "unknown"):
        return STATE_WORDS[state]
    say = _SAYINGS.get(entity.domain)
    more = say(state, attributes) if say else ""
    return more or plain(state)


def _light(state: str, attributes: JSON) -> str:
    brightness = attributes.get("brightness")
    return f"On · {brightness * 100 / 255:.0f} %" if state == "on" and is_number(brightness) else ""


def _cover(state: str, attributes: JSON) -> str:
    position = attributes.get("current_position")
    return f"{plain(state)} · {position:.0f} %" if is_number(position) and 0 < position < 100 else ""


def _fan(state: str, attributes: JSON) -> str:
    speed = attributes.get("percentage")
    return f"On · {speed:.0f} %" if state == "on" and is_number(speed) else ""


def _player(state: str, attributes: JSON) -> str:
    title = attributes.get("media_title")
    return f"{plain(state)} · {title}" if title and state in ("playing", "paused") else ""


def _sensor(state: str, attributes: JSON) -> str:
    unit = attributes.get("unit_of_measurement")
    return f"{state} {unit}" if unit else ""


def _contact(state: str, attributes: JSON) -> str:
    on, off = CONTACT_WORDS.get(str(attributes.get("device_class")), ("On", "Off"))
    return on if state == "on" else off


def _climate(state: str, attributes: JSON) -> str:
    now, target = attributes.get("current_temperature"), attributes.get("temperature")
    if not is_number(now):
        return plain(state)
    if state == "off" or not is_number(target):
        return f"{degrees(now)} °C · {plain(state)}"
    return f"{degrees(now)} → {degrees(target)} °C"


_SAYINGS: dict[str, Callable[[str, JSON], str]] = {
    "light": _light,
    "climate": _climate,
    "cover": _cover,
    "fan": _fan,
    "media_player": _player,
    "sensor": _sensor,
    "binary_sensor": _contact,
}


def plain(state: str) -> str:
    return STATE_WORDS.get(state) or state.replace("_", " ").capitalize()


def is_number(value: object) -> TypeIs[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def degrees(value: float) -> str:
    """A temperature with one decimal, or none where it is .0."""
    return f"{value:.1f}".removesuffix(".0")
