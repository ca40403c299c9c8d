"""Sums of entries: what `/v1/telemetry/usage`, the session's numbers and the Costs page tell. Pure.

The database sums the same by itself (`thane.storage.ledger_rows`); a test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from thane.ledger.entry import LedgerEntry, dollars

type GroupBy = Literal["model", "provider", "channel", "conversation", "profile", "role", "hour", "day"]
GROUPS: tuple[GroupBy, ...] = ("model", "provider", "channel", "conversation", "profile", "role", "hour", "day")


class Totals(msgspec.Struct, frozen=True):
    """`requests` counts calls of models, `turns` the runs that they belong to. `cancelled` counts what the end of Thane
    interrupted, too. `first_token_seconds` sums over `first_tokens` calls. `unpriced` counts calls whose price is not
    known: they are not in `picodollars`."""

    requests: int = 0
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: int = 0
    failed: int = 0
    cancelled: int = 0
    unpriced: int = 0
    picodollars: int = 0
    seconds: float = 0.0
    first_token_seconds: float = 0.0
    first_tokens: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Both together, of different runs: turns are added."""
        names = self.__struct_fields__
        return Totals(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def cost_usd(self) -> float:
        return dollars(self.picodollars) or 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def first_token(self) -> float | None:
        """Seconds to the first token, on average."""
        return self.first_token_seconds / self.first_tokens if self.first_tokens else None

    @property
    def cache_hit_rate(self) -> float:
        """Part of the input that came from caches, 0 to 1."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0


class Group(msgspec.Struct, frozen=True):
    """The sum of what has one name. `provider` is told for models alone."""

    name: str
    totals: Totals
    provider: str = ""


def summarise(entries: Iterable[LedgerEntry]) -> Totals:
    """The sum of entries."""
    found = tuple(entries)

    def count(wanted: Callable[[LedgerEntry], bool]) -> int:
        return sum(map(wanted, found))

    return Totals(
        requests=len(found),
        turns=len({each.run_id for each in found}),
        input_tokens=sum(each.usage.input_tokens for each in found),
        output_tokens=sum(each.usage.output_tokens for each in found),
        cached_tokens=sum(each.usage.cached_tokens for each in found),
        cache_write_tokens=sum(each.usage.cache_write_tokens for each in found),
        reasoning_tokens=sum(each.usage.reasoning_tokens for each in found),
        estimated=count(lambda each: each.usage.estimated),
        failed=count(lambda each: each.outcome == "failed"),
        cancelled=count(lambda each: each.outcome in ("cancelled", "interrupted")),
        unpriced=count(lambda each: each.picodollars is None),
        picodollars=sum(each.picodollars or 0 for each in found),
        seconds=sum(each.duration for each in found),
        first_token_seconds=sum(each.first_token or 0.0 for each in found),
        first_tokens=count(lambda each: each.first_token is not None),
    )
