from __future__ import annotations

import pytest

from thane.home.house import Entity
from thane.http.dashboard.device_words import change_words, state_words
from thane.http.dashboard.recent import Change
from thane.turn import JSON


@pytest.mark.parametrize(
    ("entity_id", "state", "attributes", "expected"),
    [
        ("light.a", "on", {"brightness": 89}, "On · 35 %"),
        ("light.a", "on", {"brightness": None}, "On"),
        ("light.a", "off", {"brightness": None}, "Off"),
        ("climate.a", "heat", {"current_temperature": 20.8, "temperature": 21.5}, "20.8 → 21.5 °C"),
        ("climate.a", "off", {"current_temperature": 20.0, "temperature": 21.5}, "20 °C · Off"),
        ("climate.a", "heat", {}, "Heat"),
        ("cover.a", "open", {"current_position": 50}, "Open · 50 %"),
        ("cover.a", "open", {"current_position": 100}, "Open"),
        ("fan.a", "on", {"percentage": 33}, "On · 33 %"),
        ("media_player.a", "playing", {"media_title": "Blue in Green"}, "Playing · Blue in Green"),
        ("media_player.a", "off", {"media_title": "Blue in Green"}, "Off"),
        ("sensor.a", "21.8", {"unit_of_measurement": "°C"}, "21.8 °C"),
        ("sensor.a", "rainy_day", {}, "Rainy day"),
        ("binary_sensor.a", "on", {"device_class": "window"}, "Window open"),
        ("binary_sensor.a", "off", {"device_class": "moisture"}, "Dry"),
        ("lock.a", "unlocked", {}, "Unlocked"),
        ("vacuum.a", "unavailable", {}, "Not reachable"),
    ],
)
def test_a_device_says_what_it_does(entity_id: str, state: str, attributes: JSON, expected: str) -> None:
    assert state_words(Entity(entity_id, "A", state, attributes=attributes)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(0.0, "on", "on", {"brightness": 204}, {"brightness": 89}), "80 → 35 %"),
        (Change(0.0, "heat", "heat", {"temperature": 20.0}, {"temperature": 21.5}), "20 → 21.5 °C"),
        (Change(0.0, "playing", "playing", {"volume_level": 0.3}, {"volume_level": 0.45}), "30 → 45 %"),
        (Change(0.0, "docked", "cleaning", {}, {}), "was Docked"),
        (Change(0.0, "on", "on", {"effect": "a"}, {"effect": "b"}), "changed"),
    ],
)
def test_a_change_is_said_by_what_differs(change: Change, expected: str) -> None:
    assert change_words(change) == expected
