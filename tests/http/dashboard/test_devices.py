from __future__ import annotations

from collections.abc import Mapping

from thane.home.demo_devices import AREAS, ENTITIES
from thane.home.house import Area, Entity
from thane.http.dashboard.devices import House, house_part
from thane.http.dashboard.parts import Part
from thane.http.dashboard.recent import Cause, Change

NOW = 1_800_000_100.0


def drawn(
    *entities: Entity, changes: Mapping[str, Change] | None = None, causes: Mapping[str, Cause] | None = None
) -> Part:
    return house_part(
        House(
            name="demo",
            areas=(Area("kitchen", "Kitchen"),),
            entities=entities,
            changes=changes or {},
            cause=(causes or {}).get,
            now=NOW,
        )
    )


LAMP = Entity("light.floor_lamp", "Floor Lamp", "on", "kitchen", {"brightness": 89})


def test_every_device_of_the_demo_home_that_can_be_told_something_has_a_row() -> None:
    part = house_part(House(name="demo", areas=AREAS, entities=ENTITIES, changes={}, cause=lambda _: None, now=NOW))
    rows = {name for name in part.items if name.startswith("tile-")}
    domains = ("light", "switch", "climate", "cover", "lock", "fan", "media_player", "vacuum")
    expected = {f"tile-{entity.id.replace('.', '-')}" for entity in ENTITIES if entity.domain in domains}
    assert expected <= rows
    assert not any("scene-" in name or "binary_sensor-" in name for name in rows)


def test_an_area_says_what_it_measures_and_what_stands_open() -> None:
    part = drawn(
        LAMP,
        Entity(
            "sensor.t", "Temperature", "21.8", "kitchen", {"device_class": "temperature", "unit_of_measurement": "°C"}
        ),
        Entity("binary_sensor.w", "Window", "on", "kitchen", {"device_class": "window"}),
        Entity("binary_sensor.m", "Motion", "off", "kitchen", {"device_class": "motion"}),
    )
    assert "Window open · 21.8 °C" in part.items["area-kitchen"]
    assert list(part.items) == ["area-kitchen", "tile-light-floor_lamp", "house-last"]


def test_a_change_says_from_what_by_whom_and_is_outlined_for_ten_seconds() -> None:
    change = Change(NOW - 3, "on", "on", {"brightness": 204}, {"brightness": 89}, "r_1")
    part = drawn(LAMP, changes={LAMP.id: change}, causes={"r_1": Cause("c_7", "Movie <night>")})
    tile = part.whole(NOW)
    assert "changed" in part.items["tile-light-floor_lamp"]
    assert '<a class="tc" href="/events?conversation=c_7" title="Movie &lt;night&gt;">80 → 35 % · ' in tile
    assert '<time data-age="1800000097.00">3 s</time>' in tile
    later = House(
        name="demo", areas=(), entities=(LAMP,), changes={LAMP.id: change}, cause=lambda _: None, now=NOW + 20
    )
    assert "changed" not in house_part(later).items["tile-light-floor_lamp"]


def test_a_change_that_no_turn_caused_is_not_linked() -> None:
    part = drawn(LAMP, changes={LAMP.id: Change(NOW - 3, "off", "on", {}, {})})
    assert "<a" not in part.items["tile-light-floor_lamp"]
    assert "was Off" in part.items["tile-light-floor_lamp"]


def test_a_changed_device_moves_no_row() -> None:
    other = Entity("light.other", "Other", "off", "kitchen")
    before = drawn(LAMP, other)
    after = drawn(LAMP, other, changes={other.id: Change(NOW - 3, "on", "off", {}, {})})
    assert before.shell == after.shell


def test_devices_that_stand_nowhere_come_last() -> None:
    part = drawn(Entity("switch.x", "X", "on"), LAMP, Entity("light.y", "Y", "on", "attic"))
    shell = part.whole(NOW)
    assert shell.index("Kitchen") < shell.index("attic") < shell.index("Whole house")


def test_names_are_never_markup() -> None:
    assert "<b>x" not in drawn(Entity("light.x", "<b>x", "<i>", "kitchen")).whole(NOW)
