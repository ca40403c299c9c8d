"""One entry of the ledger: one call of a model, and what it cost. Pure.

Money is counted in picodollars (a millionth of a millionth of a US dollar), so that sums are exact whatever their
order: a dollar for a million tokens is a million picodollars for each.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from thane.turn import Usage

PICODOLLARS = 1_000_000_000_000
"""In a dollar."""
MOST_TOKENS = 100_000_000
"""Counts above it are taken for this: no model has such a context, and sums must stay within 64 bits."""

type Outcome = Literal["done", "failed", "cancelled", "interrupted"]
"""`interrupted`: Thane ended while the call went on, so it is told by what was known when it began."""
type CallRole = Literal["interactive", "auxiliary", "scheduled", "delegate", "embedding"]


class LedgerEntry(msgspec.Struct, frozen=True):
    """One call of a model. `place` counts the calls of a run from 0; `at` is when it began, in epoch seconds.

    Durations are seconds, None where they are not known. `picodollars` is None when the price is not known.
    """

    run_id: str
    place: int
    at: float
    channel: str
    provider: str
    model: str
    usage: Usage
    conversation_id: str = ""
    profile: str = ""
    task: str = ""
    role: CallRole = "interactive"
    outcome: Outcome = "done"
    duration: float = 0.0
    first_token: float | None = None
    prompt_duration: float | None = None
    decode_duration: float | None = None
    load_duration: float | None = None
    picodollars: int | None = None

    @property
    def tokens(self) -> int:
        """In and out together."""
        return self.usage.input_tokens + self.usage.output_tokens


def role_of(task: str) -> CallRole:
    """The role of a turn's calls, by the purpose that its caller names."""
    if not task:
        return "interactive"
    return "scheduled" if task.startswith("scheduled") else "auxiliary"


def dollars(picodollars: int | None) -> float | None:
    """For people and JSON."""
    return None if picodollars is None else picodollars / PICODOLLARS


def sum_cost(costs: tuple[int | None, ...]) -> int | None:
    """None as soon as one of them is not known: part of a sum is no sum."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def bounded(usage: Usage) -> Usage:
    """Counts that the ledger can hold, whatever a server claims."""
    counts = {name: min(max(getattr(usage, name), 0), MOST_TOKENS) for name in _COUNTS}
    return msgspec.structs.replace(usage, **counts)


_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens")
