"""Renders the answer templates of home-assistant-intents: Jinja2, in a sandbox, with the names that they use.

They see `slots`, `state`, `query.matched`, `query.unmatched` and `state_attr()`, as Home Assistant gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
import jinja2.sandbox
import msgspec

from thane.brain.known import KnownEntity
from thane.brain.phrases import phrases, speaks
from thane.turn import JSON

OPENINGS = ("door", "window", "opening", "garage_door")
"""Classes of binary sensors of which `on` means open."""


def _shown(value: object) -> object:
    return "" if value is None else value


_environment = jinja2.sandbox.SandboxedEnvironment(
    extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    undefined=jinja2.ChainableUndefined,
    finalize=_shown,
    autoescape=False,  # speech and plain text, never markup; the dashboard escapes
)


class State(msgspec.Struct, frozen=True):
    """An entity as templates see one. `state_with_unit` is in words of the language where it has some."""

    name: str
    domain: str
    state: str
    attributes: JSON
    state_with_unit: str

    @property
    def entity_id(self) -> str:
        return self.name  # what `state_attr` is asked with; ids are not in live context

    @property
    def hass_state(self) -> str:
        return self.state


def as_state(entity: KnownEntity, language: str) -> State:
    state = entity.state or ""
    return State(entity.name, entity.domain, state, entity.attributes, say_state(entity, language))


def plain_state(entity: KnownEntity) -> str:
    """The state, `open` or `closed` for the sensors of doors and windows."""
    state = entity.state or "unknown"
    if entity.domain == "binary_sensor" and entity.attributes.get("device_class") in OPENINGS:
        return {"on": "open", "off": "closed"}.get(state, state)
    return state


def say_state(entity: KnownEntity, language: str) -> str:
    """A state in words: with its unit, `open` for an open window, the temperature for a thermostat."""
    state, attributes = plain_state(entity), entity.attributes
    word = phrases(language).states.get(state, state) if speaks(language) else state
    if unit := attributes.get("unit_of_measurement"):
        return f"{word} {unit}"
    if entity.domain == "climate" and (now := attributes.get("current_temperature")) not in (None, ""):
        return f"{word}, {now} {attributes.get('temperature_unit') or '°'}"
    return word


def render(
    template: str,
    slots: JSON,
    matched: Sequence[State] = (),
    unmatched: Sequence[State] = (),
    words: JSON | None = None,
) -> str | None:
    """The sentence of a template, in one line; None when the template fails or says nothing.

    `words` are further names: the templates of errors take theirs bare.
    """
    states = {state.entity_id: state for state in (*matched, *unmatched)}

    def state_attr(entity_id: str, name: str) -> Any:
        return states[entity_id].attributes.get(name) if entity_id in states else None

    try:
        text = _environment.from_string(template).render(
            {
                "slots": slots,
                "state": next(iter(states.values()), None),
                "query": {"matched": list(matched), "unmatched": list(unmatched)},
                "state_attr": state_attr,
            }
            | (words or {})
        )
    except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return " ".join(text.split()) or None
