"""SQL of `routing_decisions`: functions of a connection, for use inside a `Database` operation."""

from __future__ import annotations

import sqlite3
from typing import Any

type Row = tuple[Any, ...]


def store_decision(connection: sqlite3.Connection, row: Row, keep: int) -> None:
    """Insert or replace a run's decision, and forget those beyond the latest `keep`.

    `row` is (run id, complexity, model, provider, success, latency in seconds, tokens, JSON).
    """
    connection.execute(
        """
        insert into routing_decisions (run_id, complexity, model, provider, success, latency, tokens, body)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (run_id) do update set
            model = excluded.model, provider = excluded.provider, success = excluded.success,
            latency = excluded.latency, tokens = excluded.tokens, body = excluded.body
        """,
        row,
    )
    connection.execute(
        "delete from routing_decisions where number <= (select max(number) from routing_decisions) - ?", (keep,)
    )


def find_decision(connection: sqlite3.Connection, run_id: str) -> str | None:
    row = connection.execute("select body from routing_decisions where run_id = ?", (run_id,)).fetchone()
    return None if row is None else row[0]


def latest_decisions(connection: sqlite3.Connection, limit: int) -> list[str]:
    """The latest, oldest of them first."""
    found = connection.execute("select body from routing_decisions order by number desc limit ?", (limit,)).fetchall()
    return [row[0] for row in reversed(found)]


def count_by_complexity(connection: sqlite3.Connection) -> list[Row]:
    """(complexity, decisions)."""
    return connection.execute("select complexity, count(*) from routing_decisions group by complexity").fetchall()


def count_by_model(connection: sqlite3.Connection) -> list[Row]:
    """(model, provider, answers, of those good ones, mean latency in seconds and mean tokens of the good ones)."""
    return connection.execute(
        """
        select model, provider, count(*), sum(success),
            avg(latency) filter (where success), avg(tokens) filter (where success)
        from routing_decisions where model is not null group by model, provider order by model, provider
        """
    ).fetchall()
