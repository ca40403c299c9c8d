"""SQL of `ledger`, `open_calls` and `balances`: functions of a connection, for use inside a `Database` operation.

Rows are tuples in the order of the columns named here; `thane.ledger.rows` turns them into values and back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from thane.storage.statements import insert

type Row = tuple[Any, ...]

LEDGER_COLUMNS = (
    *("run_id", "place", "at", "conversation_id", "channel", "profile", "task", "role", "provider", "model"),
    *("outcome", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("estimated", "picodollars", "duration", "first_token", "prompt_duration", "decode_duration", "load_duration"),
)
SLICE_SECONDS = 900
"""Finest time that sums are made for: every time zone's hours and days begin with such a quarter."""

_INSERT = insert("ledger", LEDGER_COLUMNS)
_TOTALS = """
    count(*), count(distinct run_id), sum(input_tokens), sum(output_tokens), sum(cached_tokens),
    sum(cache_write_tokens), sum(reasoning_tokens), sum(estimated), sum(outcome = 'failed'),
    sum(outcome in ('cancelled', 'interrupted')), sum(picodollars is null), coalesce(sum(picodollars), 0),
    total(duration), total(first_token), count(first_token)
"""
_KEYS: Mapping[str, str] = {
    "model": "model, provider",
    "provider": "provider, ''",
    "channel": "channel, ''",
    "conversation": "conversation_id, ''",
    "profile": "profile, ''",
    "role": "role, ''",
    "hour": "cast(at / 3600 as integer) * 3600, ''",
    "": "'', ''",
}


def store_entries(connection: sqlite3.Connection, run_id: str, rows: Sequence[Row]) -> None:
    """The entries of a run, in the place of those that it had. None of its calls is open any more."""
    connection.execute("delete from ledger where run_id = ?", (run_id,))
    connection.executemany(_INSERT, rows)
    connection.execute("delete from open_calls where run_id = ?", (run_id,))


def store_so_far(
    connection: sqlite3.Connection, run_id: str, rows: Sequence[Row], open_call: tuple[int, str] | None
) -> None:
    """Further entries of a run that goes on, and the call that is open now, as (place, entry in JSON), or none."""
    connection.executemany(_INSERT, rows)
    connection.execute("delete from open_calls where run_id = ?", (run_id,))
    if open_call is not None:
        connection.execute("insert into open_calls (run_id, place, entry) values (?, ?, ?)", (run_id, *open_call))


def list_open_calls(connection: sqlite3.Connection) -> list[str]:
    """The entries of open calls, in JSON."""
    return [entry for (entry,) in connection.execute("select entry from open_calls order by run_id, place")]


def close_open_calls(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Put what the open calls came to among the entries: nothing is open any more."""
    connection.executemany(_INSERT.replace("insert into", "insert or ignore into", 1), rows)
    connection.execute("delete from open_calls")


def sum_groups(
    connection: sqlite3.Connection, key: str, since: float, until: float, conversation_id: str | None = None
) -> list[Row]:
    """(name, provider, sums …) of each group with an entry in [since, until): the dearest first, hours in order.

    `key` is one of `model`, `provider`, `channel`, `conversation`, `profile`, `role`, `hour` (by its first second), and
    "" for all together.
    """
    where, values = _where(since, until, conversation_id)
    names = _KEYS[key]
    order = "1" if key == "hour" else "coalesce(sum(picodollars), 0) desc, count(*) desc, 1, 2"
    return connection.execute(
        f"select {names}, {_TOTALS} from ledger where {where} group by 1, 2 order by {order}",  # noqa: S608 - only words from above
        values,
    ).fetchall()


def sum_slices(
    connection: sqlite3.Connection, since: float, until: float, conversation_id: str | None = None
) -> list[Row]:
    """(number of the quarter of an hour since the epoch, model, sums …), oldest first."""
    where, values = _where(since, until, conversation_id)
    return connection.execute(
        f"select cast(at / {SLICE_SECONDS} as integer), model, {_TOTALS} from ledger where {where}"  # noqa: S608 - only words from above
        " group by 1, 2 order by 1, 2",
        values,
    ).fetchall()


def list_entries(connection: sqlite3.Connection, since: float, until: float, limit: int) -> list[Row]:
    """The entries themselves, oldest first."""
    return connection.execute(
        f"select {', '.join(LEDGER_COLUMNS)} from ledger where at >= ? and at < ? order by at, run_id, place limit ?",  # noqa: S608 - only names from above
        (since, until, limit),
    ).fetchall()


def run_costs(connection: sqlite3.Connection, since: float, until: float) -> list[int]:
    """What each run with a cost did cost, cheapest first: picodollars."""
    rows = connection.execute(
        "select sum(picodollars) from ledger where at >= ? and at < ? group by run_id having sum(picodollars) > 0 "
        "order by 1",
        (since, until),
    )
    return [cost for (cost,) in rows]


def store_balance(connection: sqlite3.Connection, at: float, balance_usd: float) -> None:
    connection.execute("insert into balances (at, balance_usd) values (?, ?)", (at, balance_usd))


def last_balance(connection: sqlite3.Connection) -> tuple[float, float] | None:
    """(at, dollars) of the balance that was set last."""
    found: tuple[float, float] | None = connection.execute(
        "select at, balance_usd from balances order by number desc limit 1"
    ).fetchone()
    return found


def _where(since: float, until: float, conversation_id: str | None) -> tuple[str, list[float | str]]:
    if conversation_id is None:
        return "at >= ? and at < ?", [since, until]
    return "at >= ? and at < ? and conversation_id = ?", [since, until, conversation_id]
