"""A real ledger over a real database, for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import tzinfo
from pathlib import Path

from tests.loops.doubles import Events
from thane.clock import Clock
from thane.config.money import Budgets, Price
from thane.config.settings import Storage
from thane.ledger.entry import LedgerEntry
from thane.ledger.ledger import Ledger, open_ledger
from thane.ledger.pricing import PriceList
from thane.storage.database import open_database
from thane.testing.clock import TrioClock
from thane.turn import Usage

PAID = {"cloud": Price(input_per_million=1, output_per_million=10)}
"""A million tokens in cost a dollar."""


@asynccontextmanager
async def open_books(
    path: Path,
    *,
    clock: Clock | None = None,
    budgets: Budgets | None = None,
    events: Events | None = None,
    zone: tzinfo | None = None,
) -> AsyncGenerator[Ledger]:
    async with open_database(path / "thane.db", Storage()) as database:
        yield await open_ledger(
            database,
            PriceList(PAID, local=("embedded", "ollama")),
            budgets or Budgets(),
            clock=clock or TrioClock(),
            events=events or Events(),
            zone=zone,
        )


def call(
    run_id: str = "r_1", *, at: float, tokens: int = 1_000_000, model: str = "cloud", place: int = 0
) -> LedgerEntry:
    """A call of the paid model, or of another one, which is local."""
    provider = "far" if model == "cloud" else "ollama"
    return LedgerEntry(
        run_id, place, at, "api", provider, model, Usage(tokens), conversation_id="c_1", profile="thane:latest"
    )
