from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brain.homes import NEW, OLD, prompt, recorded
from thane.brain.known import Known, KnownEntity
from thane.brain.overview import find_overview, know_client, read_entities, read_live

LIMIT = 100_000


def read(text: str) -> Known:
    listed = find_overview(text)
    assert listed is not None
    return know_client(read_entities(listed, LIMIT), text)


@pytest.mark.parametrize(("version", "count"), [(NEW, 50), (OLD, 49)])
def test_a_real_overview_is_read_whole(version: str, count: int) -> None:
    system = recorded(version).system

    known = read(system)

    assert (count, system.count("- names:")) == (len(known.entities), len(known.entities))
    assert ["light"] == [entity.domain for entity in known.named("kitchen lights")]
    assert (("Living Room",),) == tuple(names for names in known.areas if "Living Room" in names)


def test_names_that_look_like_other_types_stay_text() -> None:
    assert read(recorded(NEW).system).named("yes")
    assert read(recorded(OLD).system).named("12")


def test_aliases_and_names_of_areas_are_taken_apart() -> None:
    known = read(prompt([("Kitchen Lights, Cooking Light", "light", "Kitchen, Cooking Place")]))

    assert ("Kitchen Lights", "Cooking Light", "Kitchen Lights, Cooking Light") == known.entities[0].names
    assert known.entities[0].stands_in("cooking place")
    assert (("Kitchen", "Cooking Place", "Kitchen, Cooking Place"),) == known.areas


def test_quoted_and_folded_names_are_read_as_they_were_meant() -> None:
    long = "A very long name of a light that the writer of the list has folded because it has many letters"
    listed = (
        "- names: 'Lamp: ''old'''\n  domain: light\n"
        '- names: "Tab\\tLamp \\u00e9"\n  domain: light\n'
        f"- names: {long[:60]}\n    {long[60:].strip()}\n  domain: light"
    )

    assert ["Lamp: 'old'", "Tab\tLamp é", long] == [entity.name for entity in read_entities(listed, LIMIT)]


@pytest.mark.parametrize(
    ("line", "area", "floors"),
    [
        ({"area": "Kitchen"}, "Kitchen", ()),
        ({"area": "Kitchen", "floor": "Ground floor"}, "Kitchen", (("Ground floor", ("Kitchen",)),)),
        ({}, "", ()),
    ],
)
def test_the_speakers_area_is_in_the_prompt(
    line: dict[str, str], area: str, floors: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    known = read(prompt([("Lamp", "light", "")], **line))

    assert (area, floors) == (known.area, known.floors)
    assert bool(area) == ((area,) in known.areas)


def test_a_prompt_without_an_overview_has_none() -> None:
    assert find_overview("You are a helpful assistant.") is None


def test_states_in_the_overview_are_read_too() -> None:
    text = (
        "An overview of the areas and the devices in this smart home:\n"
        "- names: Lamp\n  domain: light\n  state: 'on'\n  attributes:\n    brightness: '76'\n"
    )

    assert (KnownEntity(("Lamp",), "light", (), "on", {"brightness": "76"}),) == read(text).entities


def test_of_a_list_that_is_too_long_the_whole_entities_before_the_limit_are_read() -> None:
    listed = "\n".join(f"- names: Lamp {i}\n  domain: light" for i in range(1000))

    entities = read_entities(listed, 1000)

    assert 1 < len(entities) < 50
    assert all(entity.domain == "light" for entity in entities)


@pytest.mark.parametrize(
    "listed",
    [
        "- &a [*a, *a]",
        "- names: &x [a, a]\n  domain: *x",
        "- names: {a: {b: {c: {d: {e: f}}}}}\n  domain: light",
        "- names: [unclosed\n  domain: light",
        "- just text\n- 5",
        "- domain: light",
        "- names: Lamp",
        "- names: ''\n  domain: light",
        "",
        "!!python/object:os.system",
        "- names: x\n  ? [a]\n  : b\n  domain: [light]",
    ],
)
def test_what_is_no_overview_is_left_out(listed: str) -> None:
    assert () == read_entities(listed, LIMIT)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=200))
def test_no_list_raises(text: str) -> None:
    read_entities(text, LIMIT)
    read_entities(f"- names: {text}\n  domain: light", LIMIT)
    read_live(text, LIMIT)


@pytest.mark.parametrize("version", [NEW, OLD])
def test_live_context_of_every_version_is_read(version: str) -> None:
    entities = read_live(recorded(version).result("GetLiveContext"), LIMIT)

    assert isinstance(entities, tuple)
    light = next(entity for entity in entities if entity.called("Bed Light"))
    assert ("light", "on", "76") == (light.domain, light.state, light.attributes["brightness"])
    assert all(entity.state is not None for entity in entities)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (recorded(NEW).result("GetLiveContext", name="nope"), "No exposed entities matched name 'nope'"),
        ('{"success": false, "error": "No assistant configured"}', "No assistant configured"),
        ('{"error": "X", "error_text": "because"}', "because"),
        ("not json", ""),
        ("[]", ""),
        ('{"data": []}', ""),
        ('{"data": {"result": 5}}', ""),
    ],
)
def test_an_error_of_live_context_is_told_in_its_words(content: str, error: str) -> None:
    assert error == read_live(content, LIMIT)


def test_live_context_as_plain_text_is_read() -> None:
    text = "Live Context: An overview of the areas and the devices in this smart home:\n- names: A\n  domain: light\n"

    assert (KnownEntity(("A",), "light"),) == read_live(text, LIMIT)
    assert (KnownEntity(("A",), "light"),) == read_live(msgspec.json.encode({"result": text}).decode(), LIMIT)
