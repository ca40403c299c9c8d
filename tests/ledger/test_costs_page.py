"""The Costs page over a whole Thane: what it shows, of which time, and as a file."""

from __future__ import annotations

import csv
from collections.abc import AsyncGenerator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.ledger.whole import MODEL, Whole, open_whole, settings_for
from thane.config.settings import Budget, Budgets
from thane.http.dashboard import words
from thane.http.dashboard.cost_chart import OTHERS, Day, chart, scale, stacked
from thane.ledger.entry import LedgerEntry
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Reply, Say, Stop
from thane.turn import Usage

DAY = 86_400.0


@pytest.fixture
async def fake() -> AsyncGenerator[FakeOllama]:
    async with open_fake_ollama(Reply((Say(("Yes.",)), Stop(prompt_tokens=400_000, output_tokens=1000)))) as server:
        yield server


async def page(thane: Whole, query: str = "") -> str:
    answer = await thane.native.ask("GET", f"/costs{query}", b"", "Accept: text/html")
    assert 200 == answer.status, answer.body
    return answer.body.decode()


async def test_it_shows_what_was_spent_by_model_channel_and_purpose(tmp_path: Path, fake: FakeOllama) -> None:
    settings = settings_for(tmp_path, fake.url, budgets=Budgets(day=Budget(stop_usd=4)))
    async with open_whole(settings) as thane:
        await thane.chat("hello", "c_1")
        html = await page(thane)
        for shown in ("$0.41", "of $4.00", "10 % used", MODEL, "Turns", "API", 'aria-current="page"', "400.0 k"):
            assert shown in html, shown
        assert "no known price" not in html


async def test_a_call_without_a_known_price_is_said_and_not_taken_for_free(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        now = thane.rooms.clock.time()
        await thane.rooms.ledger.record(LedgerEntry("r_1", 0, now, "api", "cloud", "<b>new</b>", Usage(10, 10)))
        html = await page(thane)
        assert "1 call has no known price" in html
        assert "1 call of unknown price" in html
        assert "without cost" not in html
        assert "no turn has a known cost" in html
        assert "price unknown" in html
        assert "no budget of money counts them. Add &lt;b&gt;new&lt;/b&gt; under" in html
        assert "&lt;b&gt;new&lt;/b&gt;" in html


async def test_a_period_is_that_many_days_and_is_compared_with_the_one_before(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        now, record = thane.rooms.clock.time(), thane.rooms.ledger.record
        await record(LedgerEntry("r_1", 0, now, "api", "ollama", MODEL, Usage(3_000_000)))
        await record(LedgerEntry("r_2", 0, now - 8 * DAY, "api", "ollama", MODEL, Usage(2_000_000)))
        assert "$3.00" in await page(thane, "?days=1")
        week = await page(thane, "?days=7")
        assert "$3.00" in week
        assert "+ 50 % on the 7 days before" in week
        assert "$5.00" in await page(thane)


async def test_nothing_spent_is_a_page_too_and_local_models_are_shown_by_tokens(
    tmp_path: Path, fake: FakeOllama
) -> None:
    async with open_whole(settings_for(tmp_path, fake.url, pricing={})) as thane:
        assert "No model was asked in this time." in await page(thane)
        await thane.chat("hello", "c_1")
        html = await page(thane)
        assert "in tokens" in html
        assert "<b>local</b>" in html


async def test_the_file_has_a_line_for_each_call(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        await thane.chat("hello", "c_1")
        now = thane.rooms.clock.time()
        await thane.rooms.ledger.record(LedgerEntry("r_1", 0, now, "api", "cloud", "=1+1", Usage(1)))
        answer = await thane.native.ask("GET", "/costs.csv")
        rows = list(csv.DictReader(answer.body.decode().splitlines()))
        assert [(MODEL, "400000", "0.41"), ("'=1+1", "1", "")] == [
            (row["model"], row["input_tokens"], row["cost_usd"]) for row in rows
        ]


def test_bars_stack_to_the_day_whatever_has_no_colour() -> None:
    day = Day(date(2026, 11, 28), {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.5, "e": 0.5})
    assert [3.0, 2.0, 1.0, 1.0] == stacked(day, ("a", "b", "c", OTHERS))
    assert [3.0, 2.0] == stacked(day, ("a", "b"))


@pytest.mark.parametrize(("most", "top"), [(0, 1), (0.39, 0.4), (0.41, 0.5), (7, 8), (1_234_567, 2_000_000)])
def test_an_axis_ends_at_a_round_number_above_all_bars(most: float, top: float) -> None:
    assert top == pytest.approx(scale(most))


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_chart_of_any_length_stays_within_itself(days: int) -> None:
    shown = [Day(date(2026, 11, 28) - timedelta(days=back), {"a": 1.0 + back}) for back in reversed(range(days))]
    drawn = chart(shown, ("a",), words.money, "Cost")
    assert days == drawn.count('<g class="bar">')
    assert "-" not in "".join(part.split('"')[1] for part in drawn.split(" y=")[1:])
    assert ">today<" in drawn
