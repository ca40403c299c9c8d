"""What was spent today and by each run that goes on, against the budgets: which models may be asked, and who is told.

In memory: `thane.ledger.ledger` tells it of each call that ends, and after a start of what was spent before. What the
levels of a budget mean is in `thane.ledger.budgets`; models without a price are in `thane.ledger.unpriced`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

import msgspec
import structlog

from thane.clock import Clock
from thane.config.money import Budget, Budgets
from thane.events.event import Publisher
from thane.ledger import budgets as rules
from thane.ledger import unpriced
from thane.ledger.budgets import Reached, Spent
from thane.ledger.days import day_of, start_of
from thane.ledger.entry import LedgerEntry
from thane.ledger.pricing import PriceList

_log = structlog.get_logger("thane.ledger")
_EMBEDDED = "embedded"  # no model, so nothing ever forbids it


class Spending:
    """Nothing here waits or fails."""

    def __init__(
        self, prices: PriceList, budgets: Budgets, *, clock: Clock, events: Publisher, zone: tzinfo | None = None
    ) -> None:
        self._prices = prices
        self._budgets = budgets
        self._clock = clock
        self._events = events
        self._zone = zone
        self._day = day_of(clock.time(), zone)
        self._today = Spent()
        self._today_of: dict[str, Spent] = {}  # by profile, where profiles have budgets of the day
        self._told: set[Reached] = set()
        self._told_unpriced: set[tuple[str, str]] = set()
        self._runs: dict[str, Spent] = {}
        self._runs_told: dict[str, frozenset[tuple[str, str]]] = {}

    @property
    def wants_profiles(self) -> bool:
        """Whether it matters under which profile something was spent."""
        return bool(self._budgets.profile_days)

    def recall(self, today: Spent, by_profile: Mapping[str, Spent]) -> None:
        """What was spent today before this start; the levels that it has reached were told then."""
        self._turn_day()
        self._today, self._today_of = today, dict(by_profile)
        self._told = set(map(_mark, self._reached_today()))

    def add(self, entry: LedgerEntry, within: str = "") -> None:
        """A call has ended. `within` is the run that handed the entry's run over: its budget pays for both."""
        spent = Spent(entry.picodollars or 0, entry.tokens)
        self._turn_day()
        if day_of(entry.at, self._zone) == self._day:
            self._today += spent
            if self.wants_profiles:
                self._today_of[entry.profile] = self._today_of.get(entry.profile, Spent()) + spent
            self._tell_day()
        if entry.role != "embedding":
            for run_id in filter(None, (entry.run_id, within)):
                self._runs[run_id] = self._runs.get(run_id, Spent()) + spent
            self._tell_run(entry)

    def close(self, run_id: str) -> None:
        """The run has ended: its budget is needed no more."""
        self._runs.pop(run_id, None)
        self._runs_told.pop(run_id, None)

    # What may be asked.

    def stop(self, run_id: str, profile: str, provider: str, model: str) -> str:
        """A sentence for the one who asked when this model must not be called for this run; "" when it may be.

        Publishes `budget_stop` when it must not. To be asked before a run and between its steps.
        """
        if provider == _EMBEDDED:
            return ""
        ids = {"run_id": run_id, "profile": profile, "model": model}
        found = rules.stop(self._levels(run_id, profile), free=self.is_free(provider, model))
        if found is not None:
            self._publish("budget_stop", found, unpriced=False, **ids)
            return rules.sentence(found)
        held = self._held_to(profile)
        if not unpriced.watches_money(*held) or self._prices.price(provider, model) is not None:
            return ""
        if self._refuses_unpriced(held):
            self._events.publish("agent", "budget_stop", unpriced=True, scope="", unit="usd", **ids)
            return unpriced.sentence(model)
        if (provider, model) not in self._told_unpriced:
            self._told_unpriced.add((provider, model))
            _log.warning("a model has no price, so no budget of money counts it", provider=provider, model=model)
            self._events.publish("agent", "model_unpriced", provider=provider, **ids)
        return ""

    def refusals(self, run_id: str, profile: str, models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Those of the models, as (provider, model), that must not be called, each with its sentence: for choosing one
        of many. Nothing is published."""
        levels, refuses = self._levels(run_id, profile), self._refuses_unpriced(self._held_to(profile))
        if not levels and not refuses:
            return {}
        found = {key: self._refusal(*key, levels, refuses=refuses) for key in models if key[0] != _EMBEDDED}
        return {key: why for key, why in found.items() if why}

    def is_free(self, provider: str, model: str) -> bool:
        """Whether a model is known to cost nothing."""
        price = self._prices.price(provider, model)
        return price is not None and not (price.input_per_million or price.output_per_million)

    def left_usd(self) -> float | None:
        """Dollars of today's budget that are left; None without a limit."""
        self._turn_day()
        return rules.left_usd(self._budgets.day, self._today)

    def today(self) -> Spent:
        """What was spent today, by the owner's clock."""
        self._turn_day()
        return self._today

    def start_of_today(self) -> float:
        return start_of(day_of(self._clock.time(), self._zone), self._zone)

    def _refusal(self, provider: str, model: str, levels: tuple[Reached, ...], *, refuses: bool) -> str:
        found = rules.stop(levels, free=self.is_free(provider, model)) if levels else None
        if found is not None:
            return rules.sentence(found)
        return unpriced.sentence(model) if refuses and self._prices.price(provider, model) is None else ""

    def _levels(self, run_id: str, profile: str) -> tuple[Reached, ...]:
        """Those that a run under a profile has reached."""
        self._turn_day()
        return (
            *rules.reached("day", self._budgets.day, self._today),
            *self._reached_by(profile),
            *rules.reached("run", self._run_budget(profile), self._runs.get(run_id, Spent())),
        )

    def _held_to(self, profile: str) -> tuple[Budget, ...]:
        """The budgets of a run under a profile."""
        of_profile = _of(profile, self._budgets.profile_days)
        return self._budgets.day, self._run_budget(profile), *((of_profile,) if of_profile else ())

    def _refuses_unpriced(self, held: tuple[Budget, ...]) -> bool:
        return self._budgets.unpriced == "stop" and unpriced.limits_money(*held)

    def _run_budget(self, profile: str) -> Budget:
        return _of(profile, self._budgets.profiles) or self._budgets.run

    # Days, and telling.

    def _turn_day(self) -> None:
        day = day_of(self._clock.time(), self._zone)
        if day != self._day:
            self._day, self._today, self._told = day, Spent(), set()
            self._today_of.clear()
            self._told_unpriced.clear()

    def _reached_by(self, profile: str) -> tuple[Reached, ...]:
        """Levels of a profile's day."""
        budget = _of(profile, self._budgets.profile_days)
        if budget is None:
            return ()
        return rules.reached("profile", budget, self._today_of.get(profile, Spent()), profile)

    def _reached_today(self) -> tuple[Reached, ...]:
        """Levels of the day, the whole one and each profile's."""
        by_profile = [level for profile in self._today_of for level in self._reached_by(profile)]
        return (*rules.reached("day", self._budgets.day, self._today), *by_profile)

    def _tell_day(self) -> None:
        """Publish each level of the day's budgets once, when it is reached."""
        for level in self._reached_today():
            if (mark := _mark(level)) not in self._told:
                self._told.add(mark)
                self._publish("budget_warning" if level.step == "warn" else "budget_reached", level)

    def _tell_run(self, entry: LedgerEntry) -> None:
        """The same for a run's; that it is stopped is told when it is."""
        told = self._runs_told.get(entry.run_id, frozenset())
        for level in rules.reached("run", self._run_budget(entry.profile), self._runs[entry.run_id]):
            if level.step == "warn" and (level.unit, level.step) not in told:
                told |= {(level.unit, level.step)}
                self._publish("budget_warning", level, run_id=entry.run_id, profile=entry.profile)
        self._runs_told[entry.run_id] = told

    def _publish(self, kind: str, level: Reached, **ids: str | bool) -> None:
        about = {"scope": level.scope, "unit": level.unit, "spent": level.spent, "limit": level.limit}
        whose = {"profile": level.profile} if level.profile else {}
        self._events.publish("agent", kind, **about | whose | ids)


def _mark(level: Reached) -> Reached:
    """A level without how much was spent: each is told once."""
    return msgspec.structs.replace(level, spent=0.0)


def _of(profile: str, budgets: Mapping[str, Budget]) -> Budget | None:
    """A profile's own: names are written with `thane:` or without, as those of `profiles` are."""
    return budgets.get(profile) or budgets.get(profile.removeprefix("thane:"))
