"""The ledger as the one sees it who makes model calls: told of each, asked whether there may be another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

from thane.ledger.entry import LedgerEntry

type Keep = Callable[[sqlite3.Connection], object]
"""What writes entries, in the transaction of the one who runs it."""


class Accounts(Protocol):
    """What `thane.ledger.ledger.Ledger` is to the rooms above it."""

    def charge(self, entry: LedgerEntry, *, within: str = "") -> LedgerEntry:
        """Count a call that has ended, at once and without waiting. The entry with its cost.

        `within` is the run that handed the entry's run over: its budget pays for both.
        """
        ...

    def keep(self, run_id: str, entries: Sequence[LedgerEntry]) -> Keep:
        """What stores the entries of a run, in place of what it had."""
        ...

    def note(self, run_id: str, entries: Sequence[LedgerEntry], going_on: LedgerEntry | None) -> None:
        """Store, without waiting, further entries of a run that goes on, and the call that is under way if one is: so
        that they are there even if Thane is killed."""
        ...

    def close(self, run_id: str) -> None:
        """The run has ended: its budget is needed no more."""
        ...


class NoAccounts:
    """For tests and tools that have no ledger: nothing costs anything, nothing is kept."""

    def charge(self, entry: LedgerEntry, *, within: str = "") -> LedgerEntry:  # noqa: ARG002 the names are the protocol's
        return entry

    def keep(self, run_id: str, entries: Sequence[LedgerEntry]) -> Keep:  # noqa: ARG002 the names are the protocol's
        return lambda _connection: None

    def note(self, run_id: str, entries: Sequence[LedgerEntry], going_on: LedgerEntry | None) -> None:  # noqa: ARG002 the names are the protocol's
        return

    def close(self, run_id: str) -> None:  # noqa: ARG002 the name is the protocol's
        return
