"""The Memory page: facts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec

from thane.http.dashboard import words
from thane.memory.fact import Fact, Use

SCOPES: Mapping[str, str] = {"person": "of persons", "conversation": "of conversations", "house": "of the house"}
STATES: Mapping[str, str] = {
    "current": "that hold",
    "proposed": "proposed by a model",
    "superseded": "replaced",
    "forgotten": "forgotten",
    "all": "all ever known",
}
_SOURCES = {"person": "a person", "model": "a model", "extraction": "read from the talk", "import": "imported"}
_HOW = {"prompt": "was told it with the turn", "recall": "looked it up", "remember": "remembered it"}
_WHEN = "%d %b %Y, %H:%M"


class FactRow(msgspec.Struct, frozen=True):
    id: str
    key: str
    value: str
    category: str
    whose: str
    conversation_id: str
    source: str
    run_id: str
    when: str
    until: str
    confidence: str
    state: str


class Proposal(msgspec.Struct, frozen=True):
    """What a model would put in the place of `held`, which a person wrote."""

    fact: FactRow
    held: str


class UseRow(msgspec.Struct, frozen=True):
    run_id: str
    how: str
    when: str


def rows(facts: Sequence[Fact], zone: tzinfo | None) -> tuple[FactRow, ...]:
    return tuple(
        FactRow(
            id=fact.id,
            key=fact.key,
            value=fact.value,
            category=fact.category,
            whose=fact.subject if fact.scope == "person" else "the house" if fact.scope == "house" else "",
            conversation_id=fact.subject if fact.scope == "conversation" else "",
            source=_SOURCES[fact.source],
            run_id=fact.run_id,
            when=words.of_day(fact.updated_at, zone, _WHEN),
            until="" if fact.valid_until is None else words.of_day(fact.valid_until, zone, _WHEN),
            confidence="" if fact.confidence >= 1 else f"{fact.confidence:.0%} sure",
            state="" if fact.state == "current" else "replaced" if fact.state == "superseded" else fact.state,
        )
        for fact in facts
    )


def proposal(history: Sequence[Fact], fact: Fact, zone: tzinfo | None) -> Proposal:
    """`history` is all that is known under its name."""
    (row,) = rows((fact,), zone)
    return Proposal(row, next((each.value for each in history if each.state == "current"), ""))


def use_rows(uses: Sequence[Use], zone: tzinfo | None) -> tuple[UseRow, ...]:
    return tuple(UseRow(use.run_id, _HOW.get(use.how, use.how), words.of_day(use.at, zone, _WHEN)) for use in uses)
