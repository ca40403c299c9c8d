"""A ledger that only remembers what it is told, for tests of the rooms above it."""

from __future__ import annotations

from thane.ledger.accounts import NoAccounts
from thane.ledger.budgets import Spent
from thane.ledger.entry import LedgerEntry
from thane.ledger.pricing import PriceList
from thane.ledger.usage import Group, Totals


class FakeLedger(NoAccounts):
    """`told` is what it was told, in order."""

    zone = None

    def __init__(self) -> None:
        self.told: list[LedgerEntry] = []
        self.prices = PriceList({})

    def charge(self, entry: LedgerEntry) -> LedgerEntry:
        self.told.append(entry)
        return entry

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

    def today(self) -> Spent:
        return Spent()
