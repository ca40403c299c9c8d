"""The ledger over a real database: what is counted, summed, kept and stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.books import call, open_books
from tests.ledger.strategies import entries
from tests.loops.doubles import Events
from thane.config.money import Budget, Budgets
from thane.config.settings import Storage
from thane.ledger.entry import LedgerEntry
from thane.ledger.ledger import Ledger
from thane.ledger.pricing import PriceList
from thane.ledger.usage import Totals, summarise
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock
from thane.turn import Usage

STORAGE = Storage()
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


class HandClock:
    """A clock that is moved by hand."""

    now = NOON

    def time(self) -> float:
        return self.now


def own(database: Database) -> Ledger:
    return Ledger(database, PriceList({}), Budgets(), clock=TrioClock(NOON), events=Events())


async def test_a_call_is_priced_kept_and_summed(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        paid = await ledger.record(call(at=NOON))
        await ledger.record(call("r_2", at=NOON, model="qwen3:4b"))
        assert 10**12 == paid.picodollars
        totals = await ledger.totals()
        assert (2, 2, 2_000_000, 1.0) == (totals.requests, totals.turns, totals.input_tokens, totals.cost_usd)


async def test_a_price_that_is_not_known_is_said_and_not_taken_for_nothing(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        entry = await ledger.record(LedgerEntry("r_1", 0, NOON, "api", "far", "new-model", Usage(5, 5)))
        assert entry.picodollars is None
        assert 1 == (await ledger.totals()).unpriced


async def test_the_embedded_brain_uses_no_tokens(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        await ledger.record(LedgerEntry("r_1", 0, NOON, "ha", "embedded", "embedded", Usage(50, 20, estimated=True)))
        totals = await ledger.totals()
        assert (1, 0, 0, 0) == (totals.requests, totals.tokens, totals.estimated, totals.unpriced)


async def test_a_run_that_is_stored_again_is_counted_once(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", STORAGE) as database:
        ledger = own(database)
        for tokens in (5, 7):
            await database.write(ledger.keep("r_1", [call(at=NOON, tokens=tokens), call(at=NOON, tokens=1, place=1)]))
        totals = await ledger.totals()
        assert (2, 1, 8) == (totals.requests, totals.turns, totals.input_tokens)


async def test_todays_sums_are_taken_up_after_a_restart_by_the_owners_day(tmp_path: Path) -> None:
    zone = ZoneInfo("Pacific/Auckland")  # where it is 01:00 of the next day at noon UTC
    for _ in range(2):
        async with open_books(tmp_path, clock=TrioClock(NOON), zone=zone) as ledger:
            await ledger.record(call(f"r_{NOON}", at=NOON, tokens=3))
            await ledger.record(call("r_before", at=NOON - 2 * HOUR, tokens=100))
            assert 3 <= ledger.spending.today().tokens <= 6
    async with open_books(tmp_path, clock=TrioClock(NOON), zone=zone) as ledger:
        assert 3 == ledger.spending.today().tokens


async def test_a_new_day_begins_at_the_owners_midnight(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_books(tmp_path, clock=clock, zone=ZoneInfo("UTC")) as ledger:
        ledger.charge(call(at=NOON))
        clock.now += 12 * HOUR - 1
        assert 1_000_000 == ledger.spending.today().tokens
        clock.now += 2
        assert 0 == ledger.spending.today().tokens
        ledger.charge(call("r_2", at=NOON))  # began yesterday: not of this day
        assert 0 == ledger.spending.today().tokens


async def test_observers_are_told_of_each_call(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def broken(_input: int, _output: int) -> None:
        raise RuntimeError

    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        ledger.on_tokens(broken)
        ledger.on_tokens(lambda input_, output: seen.append((input_, output)))
        ledger.charge(call(at=NOON, tokens=7))
    assert [(7, 0)] == seen


async def test_a_balance_is_kept_and_goes_down_by_what_is_spent(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        assert await ledger.balance() is None
        await ledger.record(call("r_0", at=NOON - 5))
        await ledger.set_balance(20.0)
        await ledger.record(call("r_1", at=NOON + 5))
    async with open_books(tmp_path, clock=TrioClock(NOON + 9)) as ledger:
        balance = await ledger.balance()
        assert balance is not None
        assert (20.0, NOON, 19.0) == (balance.balance_usd, pytest.approx(balance.set_at), balance.left_usd)


@pytest.mark.parametrize("key", ["model", "provider", "channel", "conversation", "profile", "role", "hour", "day"])
async def test_every_grouping_adds_up_to_the_whole(tmp_path: Path, key: str) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON), zone=ZoneInfo("Asia/Kathmandu")) as ledger:
        for number in range(40):
            model = "cloud" if number % 3 else "qwen3:4b"
            await ledger.record(call(f"r_{number}", at=NOON + number * HOUR, tokens=number, model=model))
        groups = await ledger.usage(key)  # pyright: ignore[reportArgumentType] one of them
        assert await ledger.totals() == sum((group.totals for group in groups), Totals())
        if key == "day":
            first = datetime.fromtimestamp(int(groups[0].name), ZoneInfo("Asia/Kathmandu"))
            assert ("2026-11-28 00:00", 3) == (first.strftime("%Y-%m-%d %H:%M"), len(groups))


@settings(max_examples=30, deadline=None)
@given(st.lists(entries(NOON, 7200), max_size=12))
def test_the_database_sums_as_the_pure_sum_does(found: list[LedgerEntry]) -> None:
    places: dict[str, int] = {}
    rows: list[LedgerEntry] = []
    for each in found:
        place = places[each.run_id] = places.get(each.run_id, -1) + 1
        rows.append(type(each)(**{n: getattr(each, n) for n in each.__struct_fields__ if n != "place"}, place=place))

    async def main() -> Totals:
        with TemporaryDirectory() as folder:
            async with open_database(Path(folder) / "t.db", STORAGE) as database:
                ledger = own(database)
                for run_id in places:
                    await database.write(ledger.keep(run_id, [each for each in rows if each.run_id == run_id]))
                assert tuple(sorted(rows, key=lambda e: (e.at, e.run_id, e.place))) == await ledger.entries(0, limit=99)
                return await ledger.totals()

    assert summarise(rows) == trio.run(main)


# Budgets.


async def test_a_days_money_stops_paid_models_and_no_others(tmp_path: Path) -> None:
    events = Events()
    budgets = Budgets(day=Budget(warn_usd=1, stop_usd=2))
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets, events=events) as ledger:
        ledger.charge(call("r_1", at=NOON))
        assert 1.0 == ledger.spending.left_usd()
        assert not ledger.spending.stop("r_2", "thane:latest", "far", "cloud")
        ledger.charge(call("r_2", at=NOON))
        words = ledger.spending.stop("r_3", "thane:latest", "far", "cloud")
        assert words.startswith("Today's budget for paid models is used up ($2.00 of $2.00).")
        refused = ledger.spending.refusals("r_3", "thane:latest", [("far", "cloud"), ("ollama", "qwen3:4b")])
        assert {("far", "cloud"): words} == refused
        assert words == ledger.spending.stop("r_3", "thane:latest", "far", "unheard-of")
        assert not ledger.spending.stop("r_3", "thane:latest", "ollama", "qwen3:4b")
        assert ["budget_warning", "budget_reached", "budget_stop", "budget_stop"] == events.kinds()
        assert 0.0 == ledger.spending.left_usd()


async def test_a_days_tokens_stop_every_model_but_not_the_embedded_brain(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=Budgets(day=Budget(stop_tokens=10))) as ledger:
        ledger.charge(call("r_1", at=NOON, tokens=10, model="qwen3:4b"))
        assert "tokens is used up (10 of 10 tokens)" in ledger.spending.stop("r_2", "", "ollama", "qwen3:4b")
        assert not ledger.spending.stop("r_2", "", "embedded", "embedded")


async def test_a_model_without_a_price_is_not_asked_where_money_is_limited(tmp_path: Path) -> None:
    events = Events()
    budgets = Budgets(run=Budget(stop_usd=2))
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets, events=events) as it:
        keys = [("far", "unheard-of"), ("far", "cloud"), ("ollama", "qwen3:4b"), ("embedded", "embedded")]
        ((key, words),) = it.spending.refusals("r_1", "thane:latest", keys).items()
        assert ("far", "unheard-of") == key
        assert words.startswith("unheard-of has no price, and a money budget stands.")
        assert [] == events.kinds(), "choosing tells nothing"
        assert words == it.spending.stop("r_1", "thane:latest", "far", "unheard-of")
        assert (["budget_stop"], True) == (events.kinds(), events.all[-1][1]["unpriced"])
        for provider, model in (("far", "cloud"), ("ollama", "qwen3:4b"), ("embedded", "embedded")):
            assert not it.spending.stop("r_1", "thane:latest", provider, model)
        assert it.spending.stop("r_1", "thane:latest", "ollama", "gpt-oss:120b-cloud"), "it is not run in this house"


@pytest.mark.parametrize("budget", [Budget(stop_usd=2), Budget(warn_usd=2)])
async def test_where_it_is_only_warned_of_it_is_asked_and_told_once_a_day(tmp_path: Path, budget: Budget) -> None:
    events, clock = Events(), TrioClock(NOON)
    budgets = Budgets(day=budget, unpriced="warn" if budget.stop_usd else "stop")
    async with open_books(tmp_path, clock=clock, budgets=budgets, events=events, zone=ZoneInfo("UTC")) as ledger:
        for _ in range(3):
            assert {} == ledger.spending.refusals("r_1", "", [("far", "unheard-of")])
            assert not ledger.spending.stop("r_1", "", "far", "unheard-of")
        assert not ledger.spending.stop("r_1", "", "ollama", "qwen3:4b")
        assert (["model_unpriced"], "unheard-of") == (events.kinds(), events.all[-1][1]["model"])
        ledger.spending._clock = TrioClock(NOON + 24 * HOUR)  # pyright: ignore[reportPrivateUsage] the next day
        assert not ledger.spending.stop("r_2", "", "far", "unheard-of")
        assert ["model_unpriced"] * 2 == events.kinds()


async def test_without_a_budget_of_money_an_unknown_price_stops_nothing(tmp_path: Path) -> None:
    events = Events()
    budgets = Budgets(day=Budget(stop_tokens=9), profiles={"mine": Budget(stop_usd=1)})
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets, events=events) as ledger:
        assert not ledger.spending.stop("r_1", "thane:latest", "far", "unheard-of")
        assert ledger.spending.stop("r_1", "thane:mine", "far", "unheard-of"), "the budget of its profile stands"


async def test_a_profiles_day_is_its_own_and_outlives_a_restart(tmp_path: Path) -> None:
    budgets = Budgets(profile_days={"latest": Budget(warn_usd=1, stop_usd=2)})
    events = Events()
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets, events=events) as ledger:
        await ledger.record(call("r_1", at=NOON))
        assert (["budget_warning"], "profile", "thane:latest") == (
            events.kinds(),
            events.all[0][1]["scope"],
            events.all[0][1]["profile"],
        )
        assert not ledger.spending.stop("r_2", "thane:latest", "far", "cloud")
        await ledger.record(call("r_2", at=NOON))
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets) as ledger:
        words = ledger.spending.stop("r_3", "thane:latest", "far", "cloud")
        assert words.startswith("Today's budget for paid models of thane:latest is used up ($2.00 of $2.00).")
        assert not ledger.spending.stop("r_3", "thane:premium", "far", "cloud")
        assert not ledger.spending.stop("r_3", "thane:latest", "ollama", "qwen3:4b")


@pytest.mark.parametrize("name", ["thane:premium", "premium"])
async def test_a_runs_budget_is_its_own_and_a_profile_may_have_another(tmp_path: Path, name: str) -> None:
    budgets = Budgets(run=Budget(stop_tokens=10), profiles={name: Budget(stop_tokens=1000)})
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets) as ledger:
        ledger.charge(call("r_1", at=NOON, tokens=10))
        assert ledger.spending.stop("r_1", "thane:latest", "ollama", "qwen3:4b").startswith("I stopped here")
        assert not ledger.spending.stop("r_1", "thane:premium", "ollama", "qwen3:4b")
        assert not ledger.spending.stop("r_2", "thane:latest", "ollama", "qwen3:4b")
        ledger.close("r_1")
        assert not ledger.spending.stop("r_1", "thane:latest", "ollama", "qwen3:4b")


async def test_what_a_run_hands_over_is_paid_from_its_budget_too(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON), budgets=Budgets(run=Budget(stop_tokens=10))) as ledger:
        ledger.charge(call("r_1", at=NOON, tokens=3))
        ledger.charge(call("r_2", at=NOON, tokens=6), within="r_1")
        assert not ledger.spending.stop("r_1", "", "far", "cloud")
        ledger.charge(call("r_3", at=NOON, tokens=1), within="r_1")
        assert "(10 of 10 tokens)" in ledger.spending.stop("r_1", "", "far", "cloud")
        assert not ledger.spending.stop("r_2", "", "far", "cloud"), "each task has a budget of its own"
        ledger.close("r_1")
        assert 10 == ledger.spending.today().tokens


async def test_a_level_is_told_once_a_day_and_not_again_after_a_restart(tmp_path: Path) -> None:
    budgets = Budgets(day=Budget(warn_tokens=5))
    for number, kinds in enumerate((["budget_warning"], [])):
        events = Events()
        async with open_books(tmp_path, clock=TrioClock(NOON), budgets=budgets, events=events) as ledger:
            for each in range(3):
                await ledger.record(call(f"r_{number}_{each}", at=NOON, tokens=5))
        assert kinds == events.kinds()
