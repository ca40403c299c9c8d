"""The routing decisions that were made, kept: one for each run, the latest ones.

A decision is noted when it is made, before the run's first word, and again with its outcome. Neither waits for the
disk. Both are written when there is time, together where the run was short, and before anybody reads.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from thane.router.decision import Decision
from thane.storage import decision_rows
from thane.storage.database import Database
from thane.storage.latest import Latest

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode


class Noted(Protocol):
    """Where the agent notes its decisions."""

    def note(self, decision: Decision, /) -> None: ...


class NoDecisions:
    """For tests and tools that have no database."""

    def note(self, _decision: Decision, /) -> None:
        return


class ModelStatistics(msgspec.Struct, frozen=True):
    """Of the decisions that are kept. `latency` and `tokens` are means over the answers that succeeded."""

    model: str
    provider: str
    answers: int
    successes: int
    latency: float | None
    tokens: float | None


class Statistics(msgspec.Struct, frozen=True):
    models: tuple[ModelStatistics, ...]
    complexities: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.complexities.values())


class Decisions:
    """Every method but `note` raises DependencyError when the disk fails."""

    def __init__(self, database: Database, *, kept: int) -> None:
        self._database = database
        self._kept = kept
        self._unwritten: dict[str, Latest[decision_rows.Row]] = {}  # by run, those without an outcome

    def note(self, decision: Decision, /) -> None:
        """Keep a decision, or what came of one. Never waits. Where no model was asked, it counts for none."""
        outcome = decision.outcome
        of_outcome = (
            (outcome.model or None, outcome.provider or None, outcome.success, outcome.latency, outcome.tokens)
            if outcome
            else (None,) * 5
        )
        body = _encode(decision).decode()
        row = (decision.request_id, decision.complexity, *of_outcome, body)
        unwritten = self._unwritten.pop(decision.request_id, None)
        if unwritten is None or not unwritten.replace(row):
            unwritten = latest = Latest[decision_rows.Row](row)
            self._database.later(lambda connection: decision_rows.store_decision(connection, latest.take(), self._kept))
        if outcome is None:
            self._unwritten[decision.request_id] = unwritten

    async def find(self, run_id: str) -> Decision | None:
        body = await self._database.read(lambda connection: decision_rows.find_decision(connection, run_id))
        return None if body is None else _decode(body)

    async def latest(self, limit: int) -> tuple[Decision, ...]:
        """The latest, oldest of them first."""
        found = await self._database.read(lambda connection: decision_rows.latest_decisions(connection, limit))
        return tuple(map(_decode, found))

    async def statistics(self) -> Statistics:
        models = await self._database.read(decision_rows.count_by_model)
        complexities = await self._database.read(decision_rows.count_by_complexity)
        return Statistics(tuple(ModelStatistics(*row) for row in models), dict(complexities))


def totals(statistics: Statistics) -> dict[str, Any]:
    """The statistics as the API gives them: the reference's names, and Thane's own beside them.

    A model that two providers have is one there, by its name.
    """
    names = dict.fromkeys(each.model for each in statistics.models)
    of = {name: [each for each in statistics.models if each.model == name] for name in names}
    return {
        "total_requests": statistics.total,
        "model_counts": {name: sum(each.answers for each in several) for name, several in of.items()},
        "avg_latency_ms": {
            name: round(mean * 1000, 3) for name in names if (mean := _mean(of[name], "latency")) is not None
        },
        "complexity_counts": statistics.complexities,
        "success_counts": {name: sum(each.successes for each in several) for name, several in of.items()},
        "avg_tokens": {name: round(mean, 1) for name in names if (mean := _mean(of[name], "tokens")) is not None},
    }


def _mean(several: list[ModelStatistics], field: Literal["latency", "tokens"]) -> float | None:
    """The mean over all answers that succeeded, whichever provider gave them."""
    total = sum(each.successes for each in several)
    return sum(each.successes * (getattr(each, field) or 0.0) for each in several) / total if total else None
