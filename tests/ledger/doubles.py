"""A ledger that only remembers what it is told, for tests of the rooms above it."""

from __future__ import annotations

from thane.ledger.accounts import NoAccounts
from thane.ledger.entry import LedgerEntry
from thane.ledger.usage import Totals


class FakeLedger(NoAccounts):
    """`told` is what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[LedgerEntry] = []

    def charge(self, entry: LedgerEntry) -> LedgerEntry:
        self.told.append(entry)
        return entry

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        return self.charge(entry)

    def post(self, entry: LedgerEntry) -> None:
        self.charge(entry)

    async def totals(self, *_args: object) -> Totals:
        return Totals()
