from __future__ import annotations

import pytest

from tests.home.doubles import demo_home
from thane.home.house import Area, Entity
from thane.home.match import Matched, MatchError, Reason, Wanted, match


def found(wanted: Wanted, **options: str | bool) -> list[str]:
    home = demo_home()
    return [entity.id for entity in match(home.entities(), home.areas(), wanted, **options).entities]  # type: ignore[arg-type]  # match's own options


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(name="Kitchen Lights"), ["light.kitchen_lights"]),
        (Wanted(name=" kitchen LIGHTS "), ["light.kitchen_lights"]),
        (Wanted(name="light.kitchen_lights"), ["light.kitchen_lights"]),
        (Wanted(name="reading lamp"), ["light.floor_lamp"]),
        (Wanted(area="kitchen", domains=("light",)), ["light.kitchen_lights", "light.counter_light"]),
        (Wanted(area="Lounge", domains=("climate",)), ["climate.thermostat"]),
        (Wanted(floor="first floor", domains=("fan", "climate")), ["climate.bathroom_heating", "fan.bedroom_fan"]),
        (Wanted(device_classes=("curtain",)), ["cover.bedroom_curtains"]),
        (Wanted(domains=("media_player",), states=("playing",)), ["media_player.living_room_speaker"]),
        (Wanted(domains=("cover",), features=4, area="Garage"), None),
        (Wanted(domains=("vacuum",), single=True), ["vacuum.vacuum"]),
    ],
)
def test_entities_are_found_by_what_is_said_of_them(wanted: Wanted, ids: list[str] | None) -> None:
    if ids is None:
        with pytest.raises(MatchError):
            found(wanted)
    else:
        assert ids == found(wanted)


@pytest.mark.parametrize(
    ("wanted", "reason", "words"),
    [
        (Wanted(name="Disco Ball"), "NAME", "No entities matched the name (given name 'Disco Ball')"),
        (Wanted(domains=("siren",)), "DOMAIN", "No entities matched the domain (given domains siren)"),
        (
            Wanted(name="TV", domains=("media_player",), states=("playing",), features=1),
            "NAME",
            "No entities matched the name (given name 'TV', domains media_player, states playing, features 1)",
        ),
        (Wanted(domains=("lock",), states=("jammed",)), "STATE", None),
        (Wanted(name="TV", features=1 << 20), "FEATURE", None),
        (Wanted(device_classes=("damper",)), "DEVICE_CLASS", None),
        (Wanted(area="Attic"), "INVALID_AREA", "The area does not exist (given area 'Attic')"),
        (Wanted(area="Garden", domains=("lock",)), "AREA", None),
        (Wanted(floor="Cellar"), "INVALID_FLOOR", None),
        (Wanted(floor="First Floor", domains=("lock",)), "FLOOR", None),
        (Wanted(domains=("climate",), single=True), "MULTIPLE_TARGETS", None),
    ],
)
def test_a_failure_has_home_assistants_reason_and_words(wanted: Wanted, reason: Reason, words: str | None) -> None:
    with pytest.raises(MatchError) as failure:
        found(wanted)

    assert reason == failure.value.reason
    assert words in (None, str(failure.value))


AREAS = (Area("a", "Attic", "Top"), Area("b", "Barn"))
LAMPS = (Entity("light.1", "Lamp", "on", "a"), Entity("light.2", "Lamp", "on", "b"), Entity("switch.3", "Fan", "on"))


def test_the_speakers_area_decides_between_entities_of_one_name() -> None:
    assert LAMPS[1:2] == match(LAMPS, AREAS, Wanted(name="lamp"), preferred_area="Barn").entities
    with pytest.raises(MatchError, match="Multiple entities share the name"):
        match(LAMPS, AREAS, Wanted(name="lamp"))
    with pytest.raises(MatchError, match="Multiple entities share the name"):
        match(LAMPS, AREAS, Wanted(name="lamp"), preferred_area="nowhere")


def test_the_speakers_area_decides_which_single_one_is_meant() -> None:
    wanted = Wanted(domains=("light",), single=True)

    assert LAMPS[:1] == match(LAMPS, AREAS, wanted, preferred_area="a").entities


def test_several_of_one_name_are_all_found_where_only_told_of() -> None:
    assert LAMPS[:2] == match(LAMPS, AREAS, Wanted(name="lamp"), duplicates=True).entities


def test_what_was_named_comes_back_with_the_entities() -> None:
    assert Matched(LAMPS[:1], AREAS[:1], ("Top",)) == match(LAMPS, AREAS, Wanted(area="attic", floor="top"))
