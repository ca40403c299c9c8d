"""The Costs page: what the ledger counted in some days, as the template shows it. Pure but for `gather`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from markupsafe import Markup

from thane.http.dashboard import words
from thane.http.dashboard.cost_chart import COLOURS, OTHERS, Day, chart
from thane.http.dashboard.drawing import CHANNELS
from thane.ledger.days import day_of, next_start, start_of
from thane.ledger.entry import PICODOLLARS
from thane.ledger.ledger import Ledger
from thane.ledger.usage import Group, Totals

PERIODS = {1: "Today", 7: "7 days", 30: "30 days"}
_ROLES = {
    "interactive": ("Turns", "chats"),
    "auxiliary": ("Housekeeping", "tool"),
    "scheduled": ("Scheduled", "cal"),
    "delegate": ("Delegated", "branch"),
    "embedding": ("Embeddings", "doc"),
}


class Costs(msgspec.Struct, frozen=True):
    """What was counted. `before` is the time of the same length before it; `run_costs` are in picodollars, sorted."""

    days: int
    today: date
    totals: Totals
    before: Totals
    models: tuple[Group, ...]
    channels: tuple[Group, ...]
    roles: tuple[Group, ...]
    slices: tuple[tuple[date, str, Totals], ...]
    run_costs: tuple[int, ...]
    spent_today: float
    tokens_today: int
    local: frozenset[str]  # models that are known to cost nothing


class Tile(msgspec.Struct, frozen=True):
    """One figure. `used` is a gauge's per cent."""

    name: str
    value: str
    of: str = ""
    small: str = ""
    used: float | None = None


class Bar(msgspec.Struct, frozen=True):
    name: str
    icon: str
    value: str
    percent: int


class ModelRow(msgspec.Struct, frozen=True):
    name: str
    provider: str
    colour: str
    cost: str
    percent: int | None
    turns: str
    tokens_in: str
    cached: str
    tokens_out: str
    first_token: str
    is_estimated: bool


async def gather(ledger: Ledger, days: int, now: float) -> Costs:
    """Ask the ledger for the last `days` days, today included, by the owner's clock."""
    today = day_of(now, ledger.zone)
    since, until = start_of(today - timedelta(days=days - 1), ledger.zone), next_start(today, ledger.zone)
    earlier = start_of(today - timedelta(days=2 * days - 1), ledger.zone)
    models = await ledger.usage("model", since, until)
    spent = ledger.spending.today()
    return Costs(
        days=days,
        today=today,
        totals=await ledger.totals(since, until),
        before=await ledger.totals(earlier, since),
        models=models,
        channels=await ledger.usage("channel", since, until),
        roles=await ledger.usage("role", since, until),
        slices=tuple(
            (day_of(at, ledger.zone), model, totals) for at, model, totals in await ledger.slices(since, until)
        ),
        run_costs=tuple(await ledger.run_costs(since, until)),
        spent_today=spent.picodollars / PICODOLLARS,
        tokens_today=spent.tokens,
        local=frozenset(each.name for each in models if ledger.spending.is_free(each.provider, each.name)),
    )


def tiles(costs: Costs, stop_usd: float, stop_tokens: int) -> tuple[Tile, ...]:
    """The figures at the top."""
    totals, before = costs.totals, costs.before
    paid = [cost / PICODOLLARS for cost in costs.run_costs]
    return (
        Tile("Spent", words.money(totals.cost_usd), small=_change(totals.cost_usd, before.cost_usd, costs.days)),
        _budget(costs, stop_usd, stop_tokens),
        Tile(
            "Tokens",
            words.count(totals.input_tokens),
            f"in · {words.count(totals.output_tokens)} out",
            f"{_percent(totals.cache_hit_rate)} of input from cache" if totals.input_tokens else "none yet",
        ),
        Tile(
            "Turns",
            words.count(totals.turns),
            small=_without_cost(totals, len(paid)),
        ),
        Tile(
            "Per paid turn",
            words.money(sum(paid) / len(paid)) if paid else "–",
            small=f"median {words.money(statistics.median(paid))}" if paid else _no_cost(totals),
        ),
    )


def _without_cost(totals: Totals, paid: int) -> str:
    if not totals.turns:
        return "none yet"
    if totals.unpriced:
        return f"{words.plural(totals.unpriced, 'call')} of unknown price"
    return f"{_percent((totals.turns - paid) / totals.turns)} without cost"


def _no_cost(totals: Totals) -> str:
    return "no turn has a known cost" if totals.unpriced else "no turn has cost anything"


def _budget(costs: Costs, stop_usd: float, stop_tokens: int) -> Tile:
    if stop_usd:
        used, value, of = costs.spent_today / stop_usd, words.money(costs.spent_today), words.money(stop_usd)
    elif stop_tokens:
        used, value = costs.tokens_today / stop_tokens, words.count(costs.tokens_today)
        of = f"{words.count(stop_tokens)} tokens"
    else:
        return Tile("Budget, today", "none", small="budgets.day sets one")
    return Tile("Budget, today", value, f"of {of}", f"{_percent(used)} used", min(100.0, used * 100))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _change(now: float, before: float, days: int) -> str:
    if not before:
        return "nothing before that" if now else "nothing"
    change = (now - before) / before
    span = "the day before" if days == 1 else f"the {days} days before"
    return f"{'+' if change >= 0 else '−'} {_percent(abs(change))} on {span}"


def in_money(costs: Costs) -> bool:
    """Whether there is money to be shown; otherwise bars are of tokens."""
    return costs.totals.picodollars > 0


def amount(totals: Totals, *, money: bool) -> float:
    return totals.cost_usd if money else float(totals.tokens)


def said(number: float, *, money: bool) -> str:
    return words.money(number) if money else words.count(number)


def top_models(costs: Costs) -> tuple[str, ...]:
    """The models that have a colour of their own, and `others` where there are more than colours."""
    money = in_money(costs)
    sums: dict[str, float] = {}
    for each in costs.models:
        sums[each.name] = sums.get(each.name, 0.0) + amount(each.totals, money=money)
    names = [name for name, of in sorted(sums.items(), key=lambda item: -item[1]) if of]
    return tuple(names) if len(names) <= len(COLOURS) else (*names[: len(COLOURS) - 1], OTHERS)


def by_day(costs: Costs) -> Markup:
    money = in_money(costs)
    amounts: dict[date, dict[str, float]] = {
        costs.today - timedelta(days=back): {} for back in reversed(range(costs.days))
    }
    for day, model, totals in costs.slices:
        of_day = amounts.setdefault(day, {})
        of_day[model] = of_day.get(model, 0.0) + amount(totals, money=money)
    days = [Day(day, of_day) for day, of_day in sorted(amounts.items())]
    average = said(sum(day.whole for day in days) / len(days), money=money)
    what = "Cost" if money else "Tokens"
    label = f"{what} a day by model, last {costs.days} days, {average} a day on average"
    return chart(days, top_models(costs), lambda number: said(number, money=money), label)


def average(costs: Costs) -> str:
    money = in_money(costs)
    return said(amount(costs.totals, money=money) / costs.days, money=money)


def bars(groups: Sequence[Group], *, money: bool, roles: bool = False) -> tuple[Bar, ...]:
    """Shares of channels, or of purposes."""
    names = _ROLES if roles else CHANNELS
    whole = sum(amount(each.totals, money=money) for each in groups)
    ordered = sorted(groups, key=lambda each: -amount(each.totals, money=money))
    return tuple(
        Bar(
            *names.get(each.name, (each.name, "code")),
            said(amount(each.totals, money=money), money=money),
            round(100 * amount(each.totals, money=money) / whole) if whole else 0,
        )
        for each in ordered
    )


def model_rows(costs: Costs) -> tuple[ModelRow, ...]:
    """A row for each model and provider, the dearest first."""
    colours = dict(zip(top_models(costs), COLOURS, strict=False))
    return tuple(
        _row(each.name, each.provider, each.totals, costs, colours.get(each.name, "")) for each in costs.models
    )


def whole_row(costs: Costs) -> ModelRow:
    return _row("All models", "", costs.totals, costs, "")


def _row(name: str, provider: str, totals: Totals, costs: Costs, colour: str) -> ModelRow:
    whole = costs.totals.picodollars
    cost = words.money(totals.cost_usd)
    if totals.unpriced and provider:
        cost = f"{cost} + unknown" if totals.picodollars else "price unknown"
    elif name in costs.local:
        cost = "local"
    return ModelRow(
        name=name,
        provider=provider,
        colour=colour,
        cost=cost,
        percent=round(100 * totals.picodollars / whole) if whole and totals.picodollars else None,
        turns=words.count(totals.turns),
        tokens_in=words.count(totals.input_tokens),
        cached=_percent(totals.cache_hit_rate) if totals.cached_tokens else "–",
        tokens_out=words.count(totals.output_tokens),
        first_token="–" if totals.first_token is None else words.duration(totals.first_token),
        is_estimated=totals.estimated > 0,
    )
