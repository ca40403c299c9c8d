from __future__ import annotations

import pytest

from thane.brain.known import KnownEntity
from thane.brain.tell import finish, join
from thane.brain.templates import as_state, render, say_state
from thane.turn import JSON

THERMOSTAT = as_state(KnownEntity(("Heating",), "climate", (), "heat", {"current_temperature": 20.5}), "en")


def entity(domain: str, state: str, **attributes: object) -> KnownEntity:
    return KnownEntity(("X",), domain, (), state, attributes)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ slots.name }}  is\n{{ state.state }}", "Kitchen is heat"),
        ("{{ state_attr(state.entity_id, 'current_temperature') }}", "20.5"),
        ("{{ state_attr('other', 'x') }}", None),
        ("{{ query.matched | map(attribute='name') | join(', ') }}/{{ query.unmatched | length }}", "Heating/0"),
        ("{{ {'a': 'b'}.get(state.domain) }}", None),
        ("{{ nothing.at.all }}", None),
        ("{{ entity }} {{ state }}", "Lamp open"),
        ("{{ 1 / 0 }}", None),
        ("{{ unclosed", None),
        ("{{ ''.__class__.__mro__ }}", None),
        ("{% set a = [] %}{% do a.append(1) %}{{ a }}", "[1]"),
    ],
)
def test_templates_are_rendered_in_one_line_or_not_at_all(template: str, said: str | None) -> None:
    words = {"entity": "Lamp", "state": "open"} if "entity }}" in template else None

    assert said == render(template, {"name": "Kitchen"}, [THERMOSTAT], words=words)


@pytest.mark.parametrize(
    ("described", "language", "said"),
    [
        (entity("light", "on"), "en", "on"),
        (entity("light", "on"), "de", "an"),
        (entity("light", "on"), "fi", "on"),
        (entity("sensor", "20.4", unit_of_measurement="°C"), "de", "20.4 °C"),
        (entity("binary_sensor", "on", device_class="window"), "en", "open"),
        (entity("binary_sensor", "off", device_class="door"), "fr", "fermé"),
        (entity("binary_sensor", "on", device_class="motion"), "en", "on"),
        (entity("climate", "heat", current_temperature=20.5, temperature_unit="°C"), "en", "heat, 20.5 °C"),
        (KnownEntity(("X",), "light"), "en", "unknown"),
    ],
)
def test_states_are_said_in_words(described: KnownEntity, language: str, said: str) -> None:
    assert said == say_state(described, language)


@pytest.mark.parametrize(
    ("sentence", "finished"),
    [
        ("geöffnet", "Geöffnet."),
        ("Yes", "Yes."),
        ("54 %", "54 %."),
        ("Really?", "Really?"),
        ("Done.", "Done."),
        ("台灯已打开", "台灯已打开"),
        ("éteint", "Éteint."),
        ("είναι", "Είναι."),
        ("", ""),
    ],
)
def test_a_sentence_begins_and_ends_as_its_script_does(sentence: str, finished: str) -> None:
    assert finished == finish(sentence)


def test_the_same_answer_is_said_once() -> None:
    assert "Done. Opening." == join(["done", "Opening", "done", " "])


def test_slots_do_not_reach_into_the_template() -> None:
    slots: JSON = {"name": "{{ 7 * 7 }}"}

    assert "{{ 7 * 7 }}" == render("{{ slots.name }}", slots)
