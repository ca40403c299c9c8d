"""What a device is doing and how it changed, as its owner would say it. Attributes are Home Assistant's."""

from __future__ import annotations

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
    ("brightness", "%", 100 / 255),
    ("temperature", "°C", 1.0),
    ("current_position", "%", 1.0),
    ("volume_level", "%", 100.0),
    ("percentage", "%", 1.0),
    ("current_temperature", "°C", 1.0),
)
"""Attributes whose change is worth showing: name, unit, factor."""


def change_words(change: Change) -> str:
    """The one thing that differs, old and new: `80 → 35 %`, `was Off`."""
    if change.old_state == change.new_state:
        for name, unit, scale in FIGURES:
            old, new = change.old_attributes.get(name), change.new_attributes.get(name)
            if isinstance(old, int | float) and isinstance(new, int | float) and old != new:
                return f"{number(old * scale)} → {number(new * scale)} {unit}"
        return "changed"
    return f"was {plain(change.old_state)}"


def state_words(entity: Entity) -> str:
    """What a device is doing: `On · 35 %`, `20.8 → 21.5 °C`, `Paused · Blue in Green`."""
    state, attributes = entity.state, entity.attributes
    if state in ("unavailable", "unknown"):
        return STATE_WORDS[state]
    match entity.domain:
        case "light" if state == "on" and is_number(attributes.get("brightness")):
            return f"On · {number(attributes['brightness'] * 100 / 255)} %"
        case "climate":
            return _climate(state, attributes)
        case "cover" if is_number(attributes.get("current_position")) and 0 < attributes["current_position"] < 100:
            return f"{plain(state)} · {number(attributes['current_position'])} %"
        case "fan" if state == "on" and is_number(attributes.get("percentage")):
            return f"On · {number(attributes['percentage'])} %"
        case "media_player" if attributes.get("media_title") and state in ("playing", "paused"):
            return f"{plain(state)} · {attributes['media_title']}"
        case "sensor":
            unit = attributes.get("unit_of_measurement")
            return f"{state} {unit}" if unit else plain(state)
        case "binary_sensor":
            on, off = CONTACT_WORDS.get(str(attributes.get("device_class")), ("On", "Off"))
            return on if state == "on" else off
        case _:
            return plain(state)


def _climate(state: str, attributes: JSON) -> str:
    now, target = attributes.get("current_temperature"), attributes.get("temperature")
    if not is_number(now):
        return plain(state)
    if state == "off" or not is_number(target):
        return f"{number(now)} °C · {plain(state)}"
    return f"{number(now)} → {number(target)} °C"


def plain(state: str) -> str:
    return STATE_WORDS.get(state) or state.replace("_", " ").capitalize()


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 or abs(value) >= 100 else f"{value:.1f}"
