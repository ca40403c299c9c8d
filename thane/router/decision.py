"""A routing decision as a record: what was asked, every model with its points or why it was left out, what came of it.

Its JSON has the reference's fields (REFERENCE 6.6) and Thane's own beside them; the API, the dashboard and `thane why`
all show this one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from thane.clock import iso
from thane.router.classify import LEVELS, Complexity, Intent


class Part(msgspec.Struct, frozen=True):
    """Points that a rule gave."""

    rule: str
    points: int


class Candidate(msgspec.Struct, frozen=True):
    """A model that could have answered. `reason` says in words why it was chosen, comes later, or was left out."""

    model: str
    provider: str
    local: bool
    state: Literal["chosen", "fallback", "passed", "rejected"]
    reason: str
    score: int = 0
    parts: tuple[Part, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """How the run went. `latency` is in seconds; `failed` are the models that were tried before, in order."""

    success: bool
    model: str
    provider: str
    latency: float
    tokens: int
    failure: str = ""
    failed: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """`request_id` is the run's id. `timestamp` is epoch seconds; `context_size` about the prompt's tokens."""

    request_id: str
    timestamp: float
    profile: str
    query_length: int
    context_size: int
    needs_tools: bool
    needs_images: bool
    local_only: bool
    priority: Literal["interactive", "background"]
    complexity: Complexity
    detected_intent: Intent
    candidates: tuple[Candidate, ...]
    model_selected: str
    provider_selected: str
    reasoning: str
    fallbacks: tuple[str, ...] = ()
    outcome: Outcome | None = None


def fields(decision: Decision) -> dict[str, Any]:
    """The decision as the API gives it."""
    outcome = decision.outcome
    told: dict[str, Any] = {
        "request_id": decision.request_id,
        "timestamp": iso(decision.timestamp),
        "query_length": decision.query_length,
        "context_size": decision.context_size,
        "needs_tools": decision.needs_tools,
        "priority": decision.priority,
        "detected_intent": decision.detected_intent,
        "complexity": LEVELS.index(decision.complexity),
        "rules_evaluated": [f"check_{each.model}" for each in decision.candidates],
        "rules_matched": list(_matched(decision.candidates)),
        "scores": {each.model: each.score for each in decision.candidates if each.state != "rejected"},
        "model_selected": decision.model_selected,
        "reasoning": decision.reasoning,
        "profile": decision.profile,
        "provider_selected": decision.provider_selected,
        "complexity_name": decision.complexity,
        "needs_images": decision.needs_images,
        "local_only": decision.local_only,
        "fallbacks": list(decision.fallbacks),
        "candidates": msgspec.to_builtins(decision.candidates),
    }
    if outcome is not None:
        told |= {
            "latency_ms": round(outcome.latency * 1000),
            "tokens_used": outcome.tokens,
            "success": outcome.success,
            "model_answered": outcome.model,
            "provider_answered": outcome.provider,
            "failed": list(outcome.failed),
        }
        if outcome.failure:
            told["failure"] = outcome.failure
    return told


def _matched(candidates: Sequence[Candidate]) -> Sequence[str]:
    eligible = [each for each in candidates if each.state != "rejected"]
    return [
        *(f"eligible_{each.model}" for each in eligible),
        *(f"{part.rule}_{each.model}" for each in eligible for part in each.parts),
    ]
