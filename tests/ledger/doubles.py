"""A ledger that only remembers what it is told, for tests of the rooms above it."""

from __future__ import annotations

from collections.abc import Sequence

from thane.config.money import Budgets
from thane.events.event import NoEvents
from thane.ledger.accounts import NoAccounts
from thane.ledger.entry import LedgerEntry
from thane.ledger.pricing import PriceList
from thane.ledger.spending import Spending
from thane.ledger.usage import Group, Totals
from thane.testing.clock import TrioClock


class FakeLedger(NoAccounts):
    """`told` is what it was told, in order; `noted` what it was to store of runs that go on."""

    zone = None

    def __init__(self) -> None:
        self.told: list[LedgerEntry] = []
        self.noted: list[tuple[list[int], int | None]] = []  # places of entries, and of the call under way
        self.noted_pieces: list[int] = []  # of the call under way, each time
        self.prices = PriceList({})
        self.spending = Spending(self.prices, Budgets(), clock=TrioClock(), events=NoEvents())

    def charge(self, entry: LedgerEntry, *, within: str = "") -> LedgerEntry:
        self.told.append(entry)
        return entry

    def note(self, run_id: str, entries: Sequence[LedgerEntry], going_on: LedgerEntry | None) -> None:
        self.noted_pieces += [going_on.usage.output_tokens] if going_on else []
        self.noted.append(([entry.place for entry in entries], going_on.place if going_on else None))

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        return self.charge(entry)

    def post(self, entry: LedgerEntry) -> None:
        self.charge(entry)

    async def totals(self, *_args: object) -> Totals:
        return Totals()

    async def usage(self, *_args: object) -> tuple[Group, ...]:
        return ()

    async def slices(self, *_args: object) -> tuple[tuple[float, str, Totals], ...]:
        return ()

    async def run_costs(self, *_args: object) -> list[int]:
        return []
