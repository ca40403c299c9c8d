"""SQL of `runs`, `steps`, `tool_calls` and `spans`: functions of a connection, for use inside a `Database` operation.

Rows are tuples in the order of the columns named here; `thane.memory.rows` turns them into records and back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from thane.storage.statements import insert

type Row = tuple[Any, ...]

RUN_COLUMNS = (
    *("id", "conversation_id", "loop_id", "channel", "profile", "state", "started_at", "title", "model"),
    *("text", "thinking", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "estimated"),
    *("finish_reason", "failure", "error", "cancelled_by", "queued", "duration", "first_token", "task"),
    *("parent_run_id", "turn_id", "cost_usd", "cache_write_tokens"),
)
STEP_COLUMNS = (
    *("run_id", "place", "step", "model", "provider", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "estimated", "finish_reason", "started_at", "duration", "first_token"),
    *("cost_usd", "cache_write_tokens"),
)
TOOL_CALL_COLUMNS = (
    *("run_id", "place", "id", "conversation_id", "step", "name", "arguments", "result", "ok"),
    *("started_at", "duration", "owner"),
)
SPAN_COLUMNS = ("run_id", "place", "kind", "name", "state", "started_at", "duration", "step", "extra")


_INSERT_RUN = (
    insert("runs", RUN_COLUMNS)
    + " on conflict (id) do update set "
    + ", ".join(f"{column} = excluded.{column}" for column in RUN_COLUMNS[1:])
)
_INSERT_OPEN_RUN = _INSERT_RUN + " where state in ('queued', 'running')"
_INTERRUPTED_STEPS = f"""
    insert or ignore into steps ({", ".join(STEP_COLUMNS)})
    select run_id, place, place + 1, model, provider, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
        estimated, case outcome when 'done' then 'tool_calls' when 'failed' then 'failed' else 'cancelled' end,
        at, duration, first_token, picodollars / 1e12, cache_write_tokens
    from ledger where run_id in (select id from runs where state in ('queued', 'running'))
"""  # noqa: S608 - only names from above
"""One that ended was followed by tools, else its run would have ended too."""
_INTERRUPT = """
    update runs set state = 'interrupted', error = ?,
        model = coalesce((select model from ledger where run_id = runs.id order by place desc limit 1), model),
        input_tokens = (select coalesce(sum(input_tokens), 0) from ledger where run_id = runs.id),
        output_tokens = (select coalesce(sum(output_tokens), 0) from ledger where run_id = runs.id),
        cached_tokens = (select coalesce(sum(cached_tokens), 0) from ledger where run_id = runs.id),
        cache_write_tokens = (select coalesce(sum(cache_write_tokens), 0) from ledger where run_id = runs.id),
        reasoning_tokens = (select coalesce(sum(reasoning_tokens), 0) from ledger where run_id = runs.id),
        estimated = (select coalesce(max(estimated), 0) from ledger where run_id = runs.id),
        cost_usd = (
            select case when count(*) = count(picodollars) then sum(picodollars) / 1e12 end
            from ledger where run_id = runs.id
        )
    where state in ('queued', 'running')
"""
_INSERT_STEP = insert("steps", STEP_COLUMNS)
_INSERT_TOOL_CALL = insert("tool_calls", TOOL_CALL_COLUMNS)
_INSERT_SPAN = insert("spans", SPAN_COLUMNS)
_READ_RUN = f"select {', '.join(RUN_COLUMNS)} from runs"  # noqa: S608 - only names from above


def steps_of_session(connection: sqlite3.Connection, session_id: str) -> list[Row]:
    """The model steps of the runs that said something in the session, in order."""
    return connection.execute(
        f"""
        select {", ".join(STEP_COLUMNS)} from steps
        where run_id in (select distinct run_id from messages where session_id = ? and run_id <> '')
        order by started_at, run_id, place
        """,  # noqa: S608 - only names from above
        (session_id,),
    ).fetchall()


def store_open_run(connection: sqlite3.Connection, row: Row) -> None:
    """Insert or replace a run that goes on; one that has ended stays as it is."""
    connection.execute(_INSERT_OPEN_RUN, row)


def store_ended_run(
    connection: sqlite3.Connection,
    row: Row,
    steps: Sequence[Row],
    tool_calls: Sequence[Row],
) -> bool:
    """Insert or replace a run with its steps and tool calls. True when it had been stored as ended before."""
    run_id = row[0]
    state = connection.execute("select state from runs where id = ?", (run_id,)).fetchone()
    repeated = state is not None and state[0] not in {"queued", "running"}
    connection.execute(_INSERT_RUN, row)
    if repeated:
        connection.execute("delete from steps where run_id = ?", (run_id,))
        connection.execute("delete from tool_calls where run_id = ?", (run_id,))
    connection.executemany(_INSERT_STEP, steps)
    connection.executemany(_INSERT_TOOL_CALL, tool_calls)
    return repeated


def has_run(connection: sqlite3.Connection, run_id: str) -> bool:
    return connection.execute("select 1 from runs where id = ?", (run_id,)).fetchone() is not None


def store_spans(connection: sqlite3.Connection, spans: Sequence[Row]) -> None:
    connection.executemany(_INSERT_SPAN, spans)


def delete_spans(connection: sqlite3.Connection, run_id: str) -> None:
    connection.execute("delete from spans where run_id = ?", (run_id,))


def interrupt_open_runs(connection: sqlite3.Connection, error: str) -> int:
    """Mark every queued and running run as interrupted, with what the ledger has of it; how many there were."""
    connection.execute(_INTERRUPTED_STEPS)
    return connection.execute(_INTERRUPT, (error,)).rowcount


def find_run(connection: sqlite3.Connection, run_id: str) -> tuple[Row, list[Row], list[Row], list[Row]] | None:
    """The run, its steps, its tool calls and its spans, in order."""
    run = connection.execute(f"{_READ_RUN} where id = ?", (run_id,)).fetchone()
    if run is None:
        return None
    steps = connection.execute(
        f"select {', '.join(STEP_COLUMNS)} from steps where run_id = ? order by place",  # noqa: S608 - only names from above
        (run_id,),
    )
    tool_calls = connection.execute(
        f"select {', '.join(TOOL_CALL_COLUMNS)} from tool_calls where run_id = ? order by place",  # noqa: S608 - only names from above
        (run_id,),
    )
    spans = connection.execute(
        f"select {', '.join(SPAN_COLUMNS)} from spans where run_id = ? order by place",  # noqa: S608 - only names from above
        (run_id,),
    )
    return run, steps.fetchall(), tool_calls.fetchall(), spans.fetchall()


def list_runs(
    connection: sqlite3.Connection,
    *,
    equal: Mapping[str, str],
    since: float | None = None,
    until: float | None = None,
    start: tuple[float, str] | None = None,
    limit: int,
) -> list[Row]:
    """Latest start first, from behind (started_at, id) `start`. `equal` maps columns to values; "" selects all."""
    conditions = [f"{column} = ?" for column, value in equal.items() if value]
    values: list[object] = [value for value in equal.values() if value]
    for condition, bound in (("started_at >= ?", since), ("started_at <= ?", until)):
        if bound is not None:
            conditions.append(condition)
            values.append(bound)
    if start is not None:
        conditions.append("(started_at, id) < (?, ?)")
        values += start
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return connection.execute(
        f"{_READ_RUN}{where} order by started_at desc, id desc limit ?", (*values, limit)
    ).fetchall()


def delete_runs_before(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Delete at most `most` ended runs that started before `before`, oldest first, with all that belongs to them.

    Messages stay: they are the conversation's.
    """
    found = connection.execute(
        "select id from runs where started_at < ? and state not in ('queued', 'running') order by started_at limit ?",
        (before, most),
    ).fetchall()
    for table, column in (("steps", "run_id"), ("tool_calls", "run_id"), ("runs", "id")):  # the rest goes with the run
        connection.executemany(f"delete from {table} where {column} = ?", found)  # noqa: S608 - names from above
    return len(found)
