"""What a model costs, and by which of its names that is known."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given

from tests.ledger.strategies import prices, usages
from thane.config.money import Price
from thane.ledger.entry import MOST_TOKENS, sum_cost
from thane.ledger.pricing import PriceList, cost
from thane.turn import Usage

MILLION = 1_000_000


def rate(number: float) -> Price:
    return Price(input_per_million=number)


LIST = PriceList(
    {
        "gpt-4o": rate(1),
        "claude-sonnet-4": rate(2),
        "openrouter/gpt-4o": rate(3),
        "mistral*": rate(4),
        "mistral-large*": rate(5),
        "router/*": rate(9),
        "Big": Price(input_per_million=6, aliases=("huge", "enormous-20250101")),
        "qwen3:4b": rate(7),
    },
    local=("embedded", "ollama"),
)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o", 1),
        ("openai", "GPT-4o", 1),
        ("openai", "gpt-4o-2024-08-06", 1),
        ("openai", "gpt-4o:latest", 1),
        ("openrouter", "gpt-4o", 3),
        ("lite", "openai/gpt-4o", 1),
        ("anthropic", "claude-sonnet-4-20250514", 2),
        ("anthropic", "claude-sonnet-4-0", 2),
        ("vertex", "claude-sonnet-4@20250514", 2),
        ("bedrock", "anthropic/claude-sonnet-4-20250514-v1:0", 2),
        ("mistral", "mistral-small", 4),
        ("mistral", "mistral-large-2", 5),
        ("router", "new/thing", 9),
        ("router", "gpt-4o", 1),
        ("x", "big", 6),
        ("x", "huge", 6),
        ("x", "enormous", 6),
        ("ollama", "qwen3:4b", 7),
        ("ollama", "llama3", 0),
        ("embedded", "embedded", 0),
    ],
)
def test_a_model_is_known_by_its_name_its_aliases_and_its_snapshots(provider: str, model: str, expected: float) -> None:
    found = LIST.price(provider, model)
    assert found is not None
    assert expected == found.input_per_million


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4"),
        ("anthropic", "claude-sonnet-4-5"),
        ("ollama", "gpt-oss:120b-cloud"),
        ("ollama", "kimi:cloud"),
        ("garage", "llama3"),
    ],
)
def test_a_name_that_is_only_alike_has_no_price_and_is_not_free(provider: str, model: str) -> None:
    assert LIST.price(provider, model) is None
    assert LIST.cost(provider, model, Usage(1, 1)) is None
    assert 0 == LIST.cost(provider, model, Usage())


def test_the_prices_that_thane_brings_count_only_where_the_owner_gives_none() -> None:
    brought = PriceList({})
    opus = brought.price("anthropic", "claude-opus-4-20250514")
    haiku = brought.price("anthropic", "claude-3-haiku-20240307")
    assert opus is not None
    assert haiku is not None
    assert (15, 75) == (opus.input_per_million, opus.output_per_million)
    assert (0.25, 1.25) == (haiku.input_per_million, haiku.output_per_million)
    assert brought.is_default
    assert PriceList({"mine": Price()}).price("anthropic", "claude-opus-4-20250514") is None


def test_cached_and_written_tokens_have_rates_of_their_own() -> None:
    price = Price(
        input_per_million=3, output_per_million=15, cached_input_per_million=0.3, cache_write_per_million=3.75
    )
    used = Usage(1000, 10, cached_tokens=600, cache_write_tokens=300)
    assert 100 * 3 * MILLION + 600 * 300_000 + 300 * 3_750_000 + 10 * 15 * MILLION == cost(price, used)


def test_without_rates_of_their_own_they_cost_as_other_input() -> None:
    used = Usage(1000, 0, cached_tokens=600, cache_write_tokens=300)
    assert cost(Price(input_per_million=3), Usage(1000)) == cost(Price(input_per_million=3), used)


@given(prices, usages)
def test_a_cost_is_what_paper_and_pencil_make_of_it(price: Price, usage: Usage) -> None:
    """Of whole thousandths of a dollar for a million tokens, exactly."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    plain = usage.input_tokens - cached - written

    def money(tokens: int, per_million: float | None) -> Fraction:
        exact = Fraction(round((price.input_per_million if per_million is None else per_million) * 1000), 1000)
        return tokens * exact / MILLION * 10**12

    expected = (
        money(plain, price.input_per_million)
        + money(cached, price.cached_input_per_million)
        + money(written, price.cache_write_per_million)
        + money(usage.output_tokens, price.output_per_million)
    )
    assert expected == cost(price, usage)


@given(prices, usages, usages)
def test_more_of_everything_never_costs_less(price: Price, one: Usage, other: Usage) -> None:
    assert cost(price, Usage(one.input_tokens, one.output_tokens)) <= cost(
        price, Usage(one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens)
    )


def test_a_count_that_no_model_can_have_is_bounded() -> None:
    assert cost(rate(1), Usage(MOST_TOKENS)) == cost(rate(1), Usage(10**30))
    assert 0 == cost(rate(1), Usage(-5))


def test_part_of_a_sum_is_no_sum() -> None:
    assert 3 == sum_cost((1, 2))
    assert 0 == sum_cost(())
    assert sum_cost((1, None)) is None
