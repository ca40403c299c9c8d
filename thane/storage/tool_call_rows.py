"""SQL of the statistics over `tool_calls`, `messages` and `sessions`: functions of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from thane.storage.run_rows import TOOL_CALL_COLUMNS

type Row = tuple[Any, ...]

_CALLS = f"select {', '.join(f't.{column}' for column in TOOL_CALL_COLUMNS)} from tool_calls t"  # noqa: S608 - only names


def list_calls(
    connection: sqlite3.Connection, *, conversation_id: str, name: str, start: tuple[float, str, int] | None, limit: int
) -> list[Row]:
    """Latest first, from behind (started_at, run_id, place) `start`. Empty names select all."""
    conditions, values = list[str](), list[object]()
    for column, value in (("conversation_id", conversation_id), ("name", name)):
        if value:
            conditions.append(f"t.{column} = ?")
            values.append(value)
    if start is not None:
        conditions.append("(t.started_at, t.run_id, t.place) < (?, ?, ?)")
        values += start
    where = f" where {' and '.join(conditions)}" if conditions else ""
    order = "order by t.started_at desc, t.run_id desc, t.place desc limit ?"
    return connection.execute(f"{_CALLS}{where} {order}", (*values, limit)).fetchall()


def calls_of_session(connection: sqlite3.Connection, session_id: str) -> list[Row]:
    """The tool calls of the runs that said something in the session, in order."""
    return connection.execute(
        f"""
        {_CALLS} where t.run_id in (select distinct run_id from messages where session_id = ? and run_id <> '')
        order by t.started_at, t.run_id, t.place
        """,  # noqa: S608 - only names from above
        (session_id,),
    ).fetchall()


def blank_calls(connection: sqlite3.Connection, run_id: str, names: Sequence[str]) -> int:
    """Take out what a run gave these tools and got from them; of how many calls."""
    marks = ", ".join("?" * len(names))
    return connection.execute(
        f"update tool_calls set arguments = '{{}}', result = 'erased' where run_id = ? and name in ({marks})",  # noqa: S608 - only marks
        (run_id, *names),
    ).rowcount


def count_calls(connection: sqlite3.Connection) -> list[tuple[str, int, int, float]]:
    """(tool, calls, of these failed, seconds in all) of each tool."""
    return connection.execute(
        "select name, count(*), sum(not ok), total(duration) from tool_calls group by name order by count(*) desc, name"
    ).fetchall()


def count_archive(connection: sqlite3.Connection) -> tuple[int, int, int, float | None, float | None]:
    """Messages, sessions, tool calls, and the times of the oldest and the newest message."""
    row: tuple[int, int, int, float | None, float | None] = connection.execute(
        """
        select (select total(count) from message_counts), (select count(*) from sessions),
            (select count(*) from tool_calls), (select min(at) from messages), (select max(at) from messages)
        """
    ).fetchone()
    return int(row[0]), *row[1:]


def count_put_away(connection: sqlite3.Connection) -> int:
    """Messages of conversations that are put away."""
    return int(
        connection.execute(
            "select count(*) from messages where conversation_id in (select id from conversations where archived)"
        ).fetchone()[0]
    )


def count_roles(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("select role, count from message_counts where count > 0 order by role").fetchall())
