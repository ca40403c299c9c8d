"""SQL of what conversations have done lately, for those that go on after a restart. Functions of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from thane.storage.statements import marks

type Row = tuple[Any, ...]

_ENDED = "state not in ('queued', 'running')"


def totals(connection: sqlite3.Connection, conversation_ids: Sequence[str]) -> list[Row]:
    """(conversation, runs that succeeded or were cancelled, runs that ended, input tokens, output tokens,
    dollars)."""
    return connection.execute(
        f"""
        select conversation_id, sum(state in ('done', 'cancelled')), count(*), sum(input_tokens), sum(output_tokens),
            total(cost_usd)
        from runs where conversation_id in ({marks(conversation_ids)}) and {_ENDED} group by conversation_id
        """,  # noqa: S608 - only marks and words from above
        tuple(conversation_ids),
    ).fetchall()


def last_runs(connection: sqlite3.Connection, conversation_ids: Sequence[str], most: int) -> list[Row]:
    """(conversation, run, state, start, seconds, model, input tokens, output tokens, error, who cancelled it, dollars)
    of the `most` latest ended runs of each, latest first."""
    return connection.execute(
        f"""
        select conversation_id, id, state, started_at, duration, model, input_tokens, output_tokens, error,
            cancelled_by, cost_usd
        from (
            select *, row_number() over (partition by conversation_id order by started_at desc, id desc) as place
            from runs where conversation_id in ({marks(conversation_ids)}) and {_ENDED}
        )
        where place <= ? order by conversation_id, place
        """,  # noqa: S608 - only marks and words from above
        (*conversation_ids, most),
    ).fetchall()


def tools_used(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[Row]:
    """(run, tool, how often)."""
    return connection.execute(
        f"select run_id, name, count(*) from tool_calls where run_id in ({marks(run_ids)}) group by run_id, name",  # noqa: S608 - only marks
        tuple(run_ids),
    ).fetchall()


def last_steps(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[Row]:
    """(run, tokens of its last step's prompt and answer)."""
    return connection.execute(
        f"""
        select run_id, input_tokens + output_tokens from steps as one where run_id in ({marks(run_ids)})
        and place = (select max(place) from steps where run_id = one.run_id)
        """,  # noqa: S608 - only marks
        tuple(run_ids),
    ).fetchall()
