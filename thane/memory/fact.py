"""A fact as a value: what is remembered, of whom, where it comes from, and who may be told of it. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

type Scope = Literal["person", "conversation", "house"]
type State = Literal["current", "proposed", "superseded", "forgotten"]
type FactSource = Literal["person", "model", "extraction", "import"]

CATEGORIES = ("user", "home", "device", "routine", "preference", "architecture")


class Fact(msgspec.Struct, frozen=True):
    """Times are epoch seconds. `subject` is a person or the id of a conversation; "" for the house.

    `run_id` is the run in which it was remembered, `message_id` the message from which it comes. `valid_from` and
    `valid_until` bound when it holds; None is open.
    """

    id: str
    scope: Scope
    subject: str
    category: str
    key: str
    value: str
    source: FactSource
    run_id: str
    confidence: float
    created_at: float
    updated_at: float
    valid_from: float | None = None
    valid_until: float | None = None
    state: State = "current"
    superseded_by: str = ""
    message_id: str = ""


class Use(msgspec.Struct, frozen=True):
    """That a run was told of a fact (`prompt`, `recall`), or told it (`remember`)."""

    fact_id: str
    run_id: str
    how: str
    at: float


class Asker(msgspec.Struct, frozen=True):
    """Who wants to know: what they may be told depends on it. "" is nobody known, and no conversation."""

    user: str = ""
    conversation_id: str = ""
    run_id: str = ""


class NewFact(msgspec.Struct, frozen=True):
    scope: Scope
    subject: str
    category: str
    key: str
    value: str
    source: FactSource
    run_id: str = ""
    confidence: float = 1.0
    valid_from: float | None = None
    valid_until: float | None = None
    message_id: str = ""


def name_of(fact: Fact) -> tuple[str, str, str, str]:
    return fact.scope, fact.subject, fact.category, fact.key


def is_same(one: Fact, other: Fact) -> bool:
    return (one.value, one.valid_from, one.valid_until) == (other.value, other.valid_from, other.valid_until)


def is_kept(old: Fact, new: Fact, now: float) -> bool:
    """Whether what is held is a person's, so that nobody but a person replaces it."""
    is_over = old.valid_until is not None and old.valid_until <= now
    return old.source == "person" and new.source != "person" and not is_over


def may_see(asker: Asker, fact: Fact) -> bool:
    """Whether this asker may be told of this fact: the rule that `fact_rows.visible` has in SQL."""
    whose = {"person": asker.user, "conversation": asker.conversation_id}.get(fact.scope)
    return fact.scope == "house" or (bool(whose) and whose == fact.subject)
