"""Settings of who answers: profiles, what becomes of failing models, handing work to a smaller model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from thane.config.fields import Count, Grade, Seconds, Section


class ProfileSettings(Section, frozen=True):
    """A profile of the owner's, or what is different in a shipped one. What is left out stays as it is."""

    description: str | None = None
    """What it is for, in the lists of models that clients show."""
    fast_path: bool | None = None
    """Whether what the embedded brain fully recognises is done without a model."""
    local_only: bool | None = None
    """Only models in this house. It is never given up, not even where no other model is left."""
    quality_floor: Grade | Literal["best"] | None = None
    """The least quality that a model should have; `best` is that of the best model that is configured."""
    prefer_speed: bool | None = None
    """Prefer fast models."""
    mission: str | None = None
    """What it is used for: `device_control`, `automation`, `conversation`, `background`, …"""
    model: str | None = None
    """The model that answers whenever it is able to, whatever the scores say."""
    model_preference: str | None = None
    """A model that is preferred among those that are able."""
    fallbacks: tuple[str, ...] | None = None
    """Models to try, in this order, when the chosen one fails; empty leaves the order to the scores."""
    cost_tier_limit: int | None = None
    """The highest `cost_tier` that a model may have; -1 is no limit."""
    delegation: Literal["auto", "offer", "required", "off"] | None = None
    """Handing work to a smaller model: `auto` offers it to strong models, `offer` to all, `required` leaves no other
    tools than `agent.orchestrator_tools`, `off` never offers it."""


class Routing(Section, frozen=True):
    fallback_models: Annotated[int, msgspec.Meta(ge=0)] = 3
    """Other models that are tried in one model step after the chosen one failed."""
    circuit_failures: Count = 3
    """Failures in a row after which a model is left alone for a while."""
    circuit_cooling_seconds: Seconds = 30.0
    """How long it is left alone; then one turn tries it. The time doubles with each try that fails."""
    circuit_cooling_limit_seconds: Seconds = 600.0
    """Longest time for which a failing model is left alone."""
    retry_after_limit_seconds: Seconds = 10.0
    """The longest pause that a model server may ask for (Retry-After) and get within a turn; else the next is tried."""
    cache_warm_seconds: Seconds = 300.0
    """How long after a conversation's turn its local model is spared housekeeping, where another one is able."""
    decisions_kept: Count = 10_000
    """Routing decisions that are kept, the latest ones."""


class Delegation(Section, frozen=True):
    enabled: bool = True
    """Offer strong models the tool `thane_delegate`, with which they hand work to a smaller model."""
    strong_quality: Grade = 7
    """The quality from which on a model is offered it."""
    max_steps: Count = 15
    """Model steps in one delegated task; then one last answer without tools."""
    output_tokens: Count = 25_000
    """Tokens that the models of one delegated task may write."""
    run_timeout_seconds: Seconds = 90.0
    """Longest time for one delegated task."""
    tool_timeout_seconds: Seconds = 30.0
    """Longest time for one tool call in a delegated task."""
    tasks_per_turn: Count = 8
    """Tasks that one turn may hand away."""
