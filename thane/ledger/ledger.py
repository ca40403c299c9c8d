"""The ledger: every model call of every door is counted here, once.

A call is charged when it ends (`charge`: at once, in memory, for budgets and observers) and kept with its run's end, in
the same transaction (`keep`); what has no run, an embedding, is kept by `record`. Sums are asked of the database, so
they outlive conversations and restarts. While a run goes on, `note` puts down which call is under way and those that
have ended; what is found open at the next start (`recall`) was interrupted and is counted by an estimate.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import partial

import msgspec
import structlog

from thane.clock import Clock
from thane.config.money import Budgets
from thane.events.event import Publisher
from thane.ledger import rows
from thane.ledger.accounts import Keep
from thane.ledger.budgets import Spent
from thane.ledger.days import day_of, next_start, start_of
from thane.ledger.entry import LedgerEntry, bounded
from thane.ledger.pricing import PriceList
from thane.ledger.spending import Spending
from thane.ledger.usage import Group, GroupBy, Totals
from thane.storage import ledger_rows
from thane.storage.database import Database
from thane.storage.latest import Latest
from thane.turn import Usage

_log = structlog.get_logger("thane.ledger")
_UNTIL_NOW = 1e12
"""Later than any entry."""

type TokenObserver = Callable[[int, int], None]


class Balance(msgspec.Struct, frozen=True):
    """What the owner said was left with a cloud's account, and when. `left_usd` is without what was spent since."""

    balance_usd: float
    set_at: float
    left_usd: float


class Ledger:
    """Made by `open_ledger`. Reads raise DependencyError when the disk fails; `charge` never does.

    `spending` holds what was spent against the budgets.
    """

    def __init__(
        self,
        database: Database,
        prices: PriceList,
        budgets: Budgets,
        *,
        clock: Clock,
        events: Publisher,
        zone: tzinfo | None = None,
    ) -> None:
        self.prices = prices
        self.zone = zone
        self.spending = Spending(prices, budgets, clock=clock, events=events, zone=zone)
        self._database = database
        self._clock = clock
        self._observers: list[TokenObserver] = []
        self._unwritten: dict[str, Latest[_SoFar | None]] = {}  # of runs that go on

    async def recall(self) -> None:
        """Take up today's sums from before this start, and what was under way when the last Thane ended. To be called
        once, before the first call."""
        await self._close_open_calls()
        since = self.spending.start_of_today()
        sums = await self.totals(since)
        groups = await self.usage("profile", since) if self.spending.wants_profiles else ()
        self.spending.recall(_spent(sums), {group.name: _spent(group.totals) for group in groups})

    async def _close_open_calls(self) -> None:
        """Count the calls that were under way when Thane was killed: their prompts, for what was said is not known."""

        def close(connection: sqlite3.Connection) -> int:
            found = [rows.entry_of_open(text) for text in ledger_rows.list_open_calls(connection)]
            ledger_rows.close_open_calls(connection, [rows.entry_row(self._priced(entry)) for entry in found])
            return len(found)

        if interrupted := await self._database.write(close):
            _log.warning("calls of models were interrupted by the last end of Thane", calls=interrupted)

    # Counting.

    def on_tokens(self, observer: TokenObserver) -> None:
        """Call `observer(input, output)` for each call from now on. It must not block or raise."""
        self._observers.append(observer)

    def charge(self, entry: LedgerEntry, *, within: str = "") -> LedgerEntry:
        """Count a call that has ended. The embedded brain uses no model, so no tokens are counted for it.

        `within` is the run that handed the entry's run over: its budget pays for both.
        """
        entry = self._priced(entry)
        self.spending.add(entry, within)
        for observer in self._observers:
            try:
                observer(entry.usage.input_tokens, entry.usage.output_tokens)
            except Exception:  # noqa: BLE001 who watches must not break what is watched
                _log.exception("a token observer failed")
        return entry

    def _priced(self, entry: LedgerEntry) -> LedgerEntry:
        usage = Usage() if entry.provider == "embedded" else bounded(entry.usage)
        cost = self.prices.cost(entry.provider, entry.model, usage)
        return msgspec.structs.replace(entry, usage=usage, picodollars=cost)

    def note(self, run_id: str, entries: Sequence[LedgerEntry], going_on: LedgerEntry | None) -> None:
        """Store, without waiting, further entries of a run that goes on, and the call that is under way if one is.

        It is on the disk in about a tenth of a second, and never where the run has ended before that: a short turn's
        calls cost no write of their own.
        """
        latest = self._unwritten.get(run_id)
        before = latest.value.entries if latest is not None and latest.value is not None else ()
        if latest is None or not latest.replace(_SoFar((*before, *entries), going_on)):
            self._unwritten[run_id] = latest = Latest[_SoFar | None](_SoFar(tuple(entries), going_on))
            self._database.later(partial(_store_so_far, run_id, latest))

    def keep(self, run_id: str, entries: Sequence[LedgerEntry]) -> Keep:
        """What stores the entries of a run, in place of what it had. To be written before anything else of the run."""
        if (unwritten := self._unwritten.pop(run_id, None)) is not None:
            unwritten.replace(None)
        found = [rows.entry_row(entry) for entry in entries]

        def store(connection: sqlite3.Connection) -> None:
            ledger_rows.store_entries(connection, run_id, found)

        return store

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Count and store a call that belongs to no run; durable on return. Cancelling gives up the waiting only."""
        entry = self.charge(entry)
        await self._database.write(self.keep(entry.run_id, (entry,)))
        return entry

    def post(self, entry: LedgerEntry) -> None:
        """The same without waiting, for a call that was cut off, or that Thane makes for itself."""
        entry = self.charge(entry)
        self._database.later(self.keep(entry.run_id, (entry,)))

    def close(self, run_id: str) -> None:
        """The run has ended: its budget is needed no more."""
        self.spending.close(run_id)

    # Sums.

    async def totals(self, since: float = 0.0, until: float = _UNTIL_NOW, conversation_id: str | None = None) -> Totals:
        """The sum of a time, of everything or of one conversation."""
        found = await self._database.read(lambda c: ledger_rows.sum_groups(c, "", since, until, conversation_id))
        return rows.totals(found[0][2:]) if found else Totals()

    async def usage(
        self, group_by: GroupBy, since: float = 0.0, until: float = _UNTIL_NOW, conversation_id: str | None = None
    ) -> tuple[Group, ...]:
        """Sums by name: the dearest first; hours and days in their order, named by their beginning (epoch seconds)."""
        if group_by == "day":
            return await self._by_day(since, until, conversation_id)
        found = await self._database.read(lambda c: ledger_rows.sum_groups(c, group_by, since, until, conversation_id))
        return tuple(Group(str(name), rows.totals(sums), provider) for name, provider, *sums in found)

    async def _by_day(self, since: float, until: float, conversation_id: str | None) -> tuple[Group, ...]:
        """A run that goes on over midnight is a turn of both days."""
        slices = await self.slices(since, until, conversation_id)
        days = sorted({day_of(max(at, since), self.zone) for at, _, _ in slices})

        def read(connection: sqlite3.Connection) -> list[Group]:
            groups: list[Group] = []
            for day in days:
                start, end = max(since, start_of(day, self.zone)), min(until, next_start(day, self.zone))
                found = ledger_rows.sum_groups(connection, "", start, end, conversation_id)
                groups += [Group(f"{start_of(day, self.zone):.0f}", rows.totals(sums)) for _, _, *sums in found]
            return groups

        return tuple(await self._database.read(read))

    async def slices(
        self, since: float, until: float, conversation_id: str | None = None
    ) -> tuple[tuple[float, str, Totals], ...]:
        """Sums by quarter of an hour (its beginning) and model, oldest first."""
        found = await self._database.read(lambda c: ledger_rows.sum_slices(c, since, until, conversation_id))
        return tuple(
            (number * float(ledger_rows.SLICE_SECONDS), model, rows.totals(sums)) for number, model, *sums in found
        )

    async def entries(self, since: float, until: float = _UNTIL_NOW, *, limit: int) -> tuple[LedgerEntry, ...]:
        """The entries themselves, oldest first."""
        found = await self._database.read(lambda c: ledger_rows.list_entries(c, since, until, limit))
        return tuple(map(rows.entry_of, found))

    async def run_costs(self, since: float, until: float = _UNTIL_NOW) -> list[int]:
        """What each run that cost something did cost, cheapest first: picodollars."""
        return await self._database.read(lambda c: ledger_rows.run_costs(c, since, until))

    async def set_balance(self, balance_usd: float) -> None:
        now = self._clock.time()
        await self._database.write(lambda c: ledger_rows.store_balance(c, now, balance_usd))

    async def balance(self) -> Balance | None:
        """The balance that was set last; None when none was."""
        found = await self._database.read(ledger_rows.last_balance)
        if found is None:
            return None
        at, balance_usd = found
        since = await self.totals(at)
        return Balance(balance_usd, at, balance_usd - since.cost_usd)


class _SoFar(msgspec.Struct, frozen=True):
    """What is to be put down of a run that goes on: entries that are not yet, and the call that is under way."""

    entries: tuple[LedgerEntry, ...]
    going_on: LedgerEntry | None


def _store_so_far(run_id: str, latest: Latest[_SoFar | None], connection: sqlite3.Connection) -> None:
    """Nothing where the run has ended before there was time for it."""
    so_far = latest.take()
    if so_far is not None:
        open_call = rows.open_call(so_far.going_on) if so_far.going_on is not None else None
        ledger_rows.store_so_far(connection, run_id, list(map(rows.entry_row, so_far.entries)), open_call)


def _spent(totals: Totals) -> Spent:
    return Spent(totals.picodollars, totals.tokens)


async def open_ledger(
    database: Database,
    prices: PriceList,
    budgets: Budgets,
    *,
    clock: Clock,
    events: Publisher,
    zone: tzinfo | None = None,
) -> Ledger:
    """A ledger that knows what was spent today already."""
    ledger = Ledger(database, prices, budgets, clock=clock, events=events, zone=zone)
    await ledger.recall()
    return ledger
