from __future__ import annotations

import time

import pytest

from tests.home.doubles import demo_home
from thane.brain.known import Known, KnownEntity, know_house
from thane.brain.recogniser import Cache, Recogniser, Recognition, Stranger
from thane.config import settings
from thane.turn import JSON

HOUSE = know_house(demo_home().entities(), demo_home().areas())
RECOGNISER = Recogniser(settings.Brain())


def test_what_is_used_last_is_kept_and_no_more() -> None:
    cache: Cache[int] = Cache(2)
    made: list[str] = []

    def make(key: str) -> int:
        made.append(key)
        return len(key)

    for key in ("a", "bb", "a", "ccc", "a", "bb"):
        assert len(key) == cache.get(key, lambda key=key: make(key))

    assert ["a", "bb", "ccc", "bb"] == made
    assert 2 == len(cache)


def test_caches_stay_within_their_settings() -> None:
    limits = settings.Brain(languages_kept=1, houses_kept=2, sentences_kept=3)
    recogniser = Recogniser(limits)
    assert recogniser.language("ja") is recogniser.language("ja")
    for i in range(5):
        house = Known((KnownEntity((f"Lamp {i}",), "light"),))
        assert recogniser.recognise(f"turn on lamp {i}", "ka", house) is None

    assert {"languages": 1, "houses": 2, "sentences": 3} == recogniser.statistics()


def test_states_do_not_make_a_house_another_one() -> None:
    entity = KnownEntity(("Lamp",), "light", ("Room",), "on", {"brightness": 1})
    other = KnownEntity(("Lamp",), "light", ("Room",), "off")

    assert Known((entity,)).words == Known((other,), area="Room").words
    assert Known((entity,)).words != Known((KnownEntity(("Lamp",), "switch"),)).words


@pytest.mark.parametrize(
    ("text", "intent", "slots"),
    [
        ("turn on all the lights", "HassTurnOn", {"domain": "light"}),
        ("Turn all of the lights on in the house", "HassTurnOn", {"domain": "light"}),
        ("turn on the lights everywhere", "HassTurnOn", {"domain": "light"}),
        ("set the bedroom light to 40%", "HassLightSet", {"area": "Bedroom", "brightness": 40, "domain": "light"}),
        ("dim the lights in the office to 5", "HassLightSet", {"area": "Office", "brightness": 5, "domain": "light"}),
        ("dim the floor lamp to 20 percent", "HassLightSet", {"name": "Floor Lamp", "brightness": 20}),
        ("What day is it today?", "HassGetCurrentDate", {}),
        ("what date is it", "HassGetCurrentDate", {}),
        ("what's today", "HassGetCurrentDate", {}),
    ],
)
def test_what_the_data_lacks_is_understood_too(text: str, intent: str, slots: JSON) -> None:
    meaning = RECOGNISER.recognise(text, "en", HOUSE)

    assert meaning is not None
    assert (intent, slots) == (meaning.intent, meaning.slots)


def test_a_meaning_has_values_and_the_words_for_them() -> None:
    text = "please set the BED light to 30 %"

    meaning = RECOGNISER.recognise(text, "en", HOUSE)

    assert meaning is not None
    assert ("HassLightSet", "light", "brightness") == (meaning.intent, meaning.domain, meaning.response)
    assert {"name": "Bed Light", "brightness": 30} == meaning.slots
    assert {"name": "BED light", "brightness": "30"} == meaning.spoken


def test_only_what_is_allowed_is_recognised() -> None:
    text = "turn off the kitchen lights"

    assert RECOGNISER.recognise(text, "en", HOUSE, frozenset({"HassTurnOn"})) is None
    assert RECOGNISER.recognise(text, "en", HOUSE, frozenset({"HassTurnOff"})) is not None


def test_a_sentence_that_needs_the_speakers_area_says_so() -> None:
    here = know_house(demo_home().entities(), demo_home().areas(), "office")

    placed = RECOGNISER.recognise("turn off the lights", "en", here)
    unplaced = RECOGNISER.recognise("turn off the lights", "en", HOUSE)

    assert isinstance(placed, Recognition)
    assert isinstance(unplaced, Recognition)
    assert ("Office", False) == (placed.slots["area"], placed.unplaced)
    assert unplaced.unplaced


@pytest.mark.parametrize(
    ("area", "name"), [("office", "Office"), ("Study", "Office"), ("OFFICE", "Office"), ("Moon", "Moon")]
)
def test_the_speakers_area_may_come_as_id_name_or_alias(area: str, name: str) -> None:
    assert name == know_house(demo_home().entities(), demo_home().areas(), area).area


@pytest.mark.parametrize("name", ["[a|b] {name}", "<the> lamp", "lamp (old)", "lampe d'été", "Straße", "...", "  "])
def test_a_devices_name_is_never_a_template(name: str) -> None:
    house = Known((KnownEntity((name,), "light"), KnownEntity(("Fan",), "fan")))

    meaning = RECOGNISER.recognise(f"turn on {name}", "en", house)

    assert meaning is None or meaning.slots["name"] in {name, "Fan"}
    assert RECOGNISER.recognise("turn on fan", "en", house) is not None


@pytest.mark.parametrize(
    ("text", "stranger"),
    [
        ("turn on the disco ball", Stranger("entity", "disco ball")),
        ("turn off the lights in the attic", Stranger("area", "attic")),
        ("turn on the disco ball in the kitchen", Stranger("entity", "disco ball", "Kitchen")),
        ("write me a poem about the sea and its many shores", None),
        ("what is the capital of France", None),
        ("turn on the kitchen lights", None),
        ("", None),
    ],
)
def test_strangers_are_told_from_chat(text: str, stranger: Stranger | None) -> None:
    assert stranger == RECOGNISER.find_stranger(text, "en", HOUSE)


HOSTILE = [
    "turn on the " * 20,
    "set the kitchen lights to red to 50 percent brightness in " * 4,
    "and " * 50,
    "schalte das licht die lampe in der küche im wohnzimmer ein aus " * 4,
    "wie volume stell zeit unseres gesamten heizung im bad auf " * 4,
    "1 " * 100,
    "kitchen lights " * 14,
    "%- _'’" * 30,
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("code", ["en", "de"])
def test_a_hostile_sentence_takes_bounded_time(text: str, code: str) -> None:
    text = text[: settings.Brain().sentence_chars]
    RECOGNISER.language(code)
    started = time.process_time()

    RECOGNISER.recognise(text, code, HOUSE)
    RECOGNISER.find_stranger(text, code, HOUSE)

    assert time.process_time() - started < 2.0
