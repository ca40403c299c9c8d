"""Which price a model has, and what a call costs by it. Pure.

A name is looked up in this order, letters' case aside: as it is and as `provider/name`; by `aliases`; without what
marks a snapshot or the seller (`claude-sonnet-4-20250514`, `anthropic/claude-sonnet-4` and `gpt-4o:latest` are what
they are without it); by the longest beginning that ends in `*`. A shorter name alone is no beginning: `gpt-4o` says
nothing of `gpt-4o-mini`. What is found nowhere costs nothing if it is local, else its price is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from thane.config.money import Price
from thane.ledger.default_prices import DEFAULT_PRICES
from thane.ledger.entry import bounded
from thane.turn import Usage

_PER_TOKEN = 1_000_000  # picodollars for a token, at one dollar for a million
_SNAPSHOT = re.compile(r"(?:[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|latest|0)|-v\d+:\d+)+$")
_CLOUD = re.compile(r"[-:]cloud$")
"""How Ollama names the models that it does not run itself."""
_FREE = Price()
_KNOWN = 1024  # models whose price is remembered: a client may name any


class PriceList:
    """`local` names the providers whose models run at home."""

    def __init__(self, prices: Mapping[str, Price], local: Collection[str] = ("embedded",)) -> None:
        chosen = prices or DEFAULT_PRICES
        self.is_default = not prices
        self._local = frozenset(local)
        self._exact: dict[str, Price] = {}
        self._plain: dict[str, Price] = {}
        self._beginnings: dict[str, Price] = {}
        for name, price in chosen.items():
            if name.endswith("*"):
                self._beginnings[name.removesuffix("*").lower()] = price
            for each in (name, *price.aliases):
                self._exact.setdefault(each.lower(), price)
        for name, price in chosen.items():
            for each in (name, *price.aliases):
                self._plain.setdefault(_plain(each), price)
        self._known = lru_cache(_KNOWN)(self._find)

    def is_local(self, provider: str, model: str) -> bool:
        return provider in self._local and not _CLOUD.search(model.lower())

    def price(self, provider: str, model: str) -> Price | None:
        """The price of a model; None when it is not known. Each is looked up once: every turn asks."""
        return self._known(provider, model)

    def _find(self, provider: str, model: str) -> Price | None:
        names = (f"{provider}/{model}".lower(), model.lower())
        for table, wanted in ((self._exact, names), (self._plain, (_plain(model),))):
            for name in wanted:
                if name in table:
                    return table[name]
        fitting = [each for each in self._beginnings if any(name.startswith(each) for name in names)]
        if fitting:
            return self._beginnings[max(fitting, key=len)]
        return _FREE if self.is_local(provider, model) else None

    def cost(self, provider: str, model: str, usage: Usage) -> int | None:
        """Picodollars of a call; None when its price is not known. A call without tokens costs nothing anywhere."""
        price = self.price(provider, model)
        if price is None:
            return None if usage.input_tokens or usage.output_tokens else 0
        return cost(price, usage)


def cost(price: Price, usage: Usage) -> int:
    """Picodollars of a call at a price."""
    usage = bounded(usage)
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    rest = usage.input_tokens - cached - written
    full = price.input_per_million
    parts = (
        (rest, full),
        (cached, full if price.cached_input_per_million is None else price.cached_input_per_million),
        (written, full if price.cache_write_per_million is None else price.cache_write_per_million),
        (usage.output_tokens, price.output_per_million),
    )
    return sum(tokens * round(rate * _PER_TOKEN) for tokens, rate in parts)


def _plain(name: str) -> str:
    """A name without its seller and what marks its snapshot."""
    return _SNAPSHOT.sub("", name.lower().rpartition("/")[2])
