"""Prices of well-known cloud models, for an owner who has set none. US dollars for a million tokens.

The list prices of their makers as far as known in spring 2026; an owner who pays something else, or asks a newer model,
says so in `pricing`. Prices that change with the length of a prompt are those of the shorter.
The first three are the reference's (REFERENCE 6.7).
"""

from __future__ import annotations

from collections.abc import Mapping

from thane.config.money import Price


def _anthropic(input_: float, output: float, *aliases: str) -> Price:
    """Anthropic reads its cache at a tenth of the price and writes it (for five minutes) at five quarters."""
    return Price(
        input_per_million=input_,
        output_per_million=output,
        cached_input_per_million=round(input_ / 10, 6),
        cache_write_per_million=round(input_ * 1.25, 6),
        aliases=aliases,
    )


def _plain(input_: float, output: float, cached: float | None = None) -> Price:
    return Price(input_per_million=input_, output_per_million=output, cached_input_per_million=cached)


DEFAULT_PRICES: Mapping[str, Price] = {
    "claude-opus-4-20250514": _anthropic(15, 75),
    "claude-sonnet-4-20250514": _anthropic(3, 15),
    "claude-haiku-3-20240307": _anthropic(0.25, 1.25, "claude-3-haiku"),
    "claude-opus-4-1": _anthropic(15, 75),
    "claude-opus-4-5": _anthropic(5, 25),
    "claude-opus-4-6": _anthropic(5, 25),
    "claude-opus-4-7": _anthropic(5, 25),
    "claude-sonnet-4-5": _anthropic(3, 15),
    "claude-sonnet-4-6": _anthropic(3, 15),
    "claude-haiku-4-5": _anthropic(1, 5),
    "claude-3-5-haiku": _anthropic(0.8, 4, "claude-haiku-3-5"),
    "claude-3-7-sonnet": _anthropic(3, 15, "claude-sonnet-3-7"),
    "claude-3-5-sonnet": _anthropic(3, 15, "claude-sonnet-3-5"),
    "gpt-4o": _plain(2.5, 10, 1.25),
    "gpt-4o-mini": _plain(0.15, 0.6, 0.075),
    "gpt-4.1": _plain(2, 8, 0.5),
    "gpt-4.1-mini": _plain(0.4, 1.6, 0.1),
    "gpt-4.1-nano": _plain(0.1, 0.4, 0.025),
    "gpt-5": _plain(1.25, 10, 0.125),
    "gpt-5-mini": _plain(0.25, 2, 0.025),
    "gpt-5-nano": _plain(0.05, 0.4, 0.005),
    "text-embedding-3-small": _plain(0.02, 0),
    "text-embedding-3-large": _plain(0.13, 0),
    "text-embedding-ada-002": _plain(0.1, 0),
    "o3": _plain(2, 8, 0.5),
    "o4-mini": _plain(1.1, 4.4, 0.275),
}
