"""What a budget says to what was spent. Pure; `thane.ledger.spending` counts, and asks here.

A limit of money stops models that cost something: those at home go on answering. A limit of tokens stops every model.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from thane.config.money import Budget
from thane.ledger.entry import PICODOLLARS

type Scope = Literal["day", "profile", "run"]
type Unit = Literal["usd", "tokens"]
type Step = Literal["warn", "stop"]


class Spent(msgspec.Struct, frozen=True):
    """Money and tokens, in and out together."""

    picodollars: int = 0
    tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.picodollars + other.picodollars, self.tokens + other.tokens)


class Reached(msgspec.Struct, frozen=True):
    """A level of a budget that has been reached. `spent` and `limit` are in the unit; `profile` is whose day it is."""

    scope: Scope
    unit: Unit
    step: Step
    spent: float
    limit: float
    profile: str = ""

    @property
    def amount(self) -> str:
        """As people read it: `$2.01 of $2.00`."""
        if self.unit == "usd":
            return f"{_money(self.spent)} of {_money(self.limit)}"
        return f"{self.spent:,.0f} of {self.limit:,.0f} tokens"


def reached(scope: Scope, budget: Budget, spent: Spent, profile: str = "") -> tuple[Reached, ...]:
    """The levels that have been reached: stops first, money before tokens. `profile` is for that scope."""
    dollars = spent.picodollars / PICODOLLARS
    levels: tuple[tuple[Unit, Step, float, float], ...] = (
        ("usd", "stop", dollars, budget.stop_usd),
        ("tokens", "stop", spent.tokens, budget.stop_tokens),
        ("usd", "warn", dollars, budget.warn_usd),
        ("tokens", "warn", spent.tokens, budget.warn_tokens),
    )
    return tuple(
        Reached(scope, unit, step, used, limit, profile) for unit, step, used, limit in levels if 0 < limit <= used
    )


def stop(levels: tuple[Reached, ...], *, free: bool) -> Reached | None:
    """The level that forbids a further call of a model; `free` is one that costs nothing."""
    return next((each for each in levels if each.step == "stop" and not (free and each.unit == "usd")), None)


def sentence(level: Reached) -> str:
    """Why there is no answer, or no more of it, for the one who asked."""
    if level.scope == "run":
        return f"I stopped here: this answer has used its budget ({level.amount})."
    what = "for paid models" if level.unit == "usd" else "of tokens"
    whose = f" of {level.profile}" if level.scope == "profile" else ""
    return f"Today's budget {what}{whose} is used up ({level.amount}). It starts anew at midnight."


def left_usd(budget: Budget, spent: Spent) -> float | None:
    """Dollars until the budget stops; None without a limit."""
    return max(0.0, budget.stop_usd - spent.picodollars / PICODOLLARS) if budget.stop_usd else None


def _money(dollars: float) -> str:
    return f"${dollars:.2f}" if dollars >= 0.01 or dollars == 0 else f"${dollars:.4f}"
