"""SQL of `sessions`: functions of a connection, for use inside a `Database` operation.

Rows are tuples in the order of the columns named here; `thane.memory.sessions` turns them into records and back.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from thane.storage.conversation_rows import MESSAGE_COLUMNS
from thane.storage.statements import insert

type Row = tuple[Any, ...]

SESSION_COLUMNS = (
    *("id", "conversation_id", "started_at", "last_at", "ended_at", "end_reason", "title", "summary", "tags"),
    *("metadata", "handoff", "parent_session_id", "parent_tool_call_id"),
)
_READ = f"""
    select {", ".join(f"s.{column}" for column in SESSION_COLUMNS)},
        (select count(*) from messages m where m.session_id = s.id)
    from sessions s
"""  # noqa: S608 - only names from above


def add_session(connection: sqlite3.Connection, row: Row) -> None:
    connection.execute(insert("sessions", SESSION_COLUMNS), row)


def open_session(connection: sqlite3.Connection, conversation_id: str) -> tuple[str, float] | None:
    """Id and time of the last message of the conversation's open session."""
    found: tuple[str, float] | None = connection.execute(
        "select id, last_at from sessions where conversation_id = ? and ended_at is null", (conversation_id,)
    ).fetchone()
    return found


def last_session(connection: sqlite3.Connection, conversation_id: str) -> Row | None:
    """The conversation's latest session."""
    row: Row | None = connection.execute(
        f"{_READ} where s.conversation_id = ? order by s.started_at desc, s.id desc limit 1", (conversation_id,)
    ).fetchone()
    return row


def handoffs(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """(conversation, what was handed over, to which session): the one that goes on, or "" for the next."""
    return connection.execute(
        """
        select conversation_id, handoff, coalesce((
            select id from sessions o where o.conversation_id = s.conversation_id and o.ended_at is null
        ), '') from sessions s where handoff <> '' and not exists (
            select 1 from sessions later where later.conversation_id = s.conversation_id
                and later.started_at > s.started_at and later.ended_at is not null
        )
        """
    ).fetchall()


def touch_session(connection: sqlite3.Connection, session_id: str, at: float) -> None:
    connection.execute("update sessions set last_at = max(last_at, ?) where id = ?", (at, session_id))


def end_session(connection: sqlite3.Connection, session_id: str, at: float, reason: str, handoff: str = "") -> bool:
    """Close an open session. False when it is closed already or there is none."""
    return bool(
        connection.execute(
            "update sessions set ended_at = ?, end_reason = ?, handoff = ? where id = ? and ended_at is null",
            (at, reason, handoff, session_id),
        ).rowcount
    )


def cut_short(connection: sqlite3.Connection, session_id: str, last_at: float) -> None:
    """End a session, open or not, at a message in its middle: what followed is another one's."""
    connection.execute(
        "update sessions set last_at = ?, ended_at = ?, end_reason = 'split', handoff = '' where id = ?",
        (last_at, last_at, session_id),
    )


def end_idle_sessions(connection: sqlite3.Connection, before: float) -> int:
    """Close the sessions in which nothing was said since `before`, at the time of their last message."""
    return connection.execute(
        """
        update sessions set ended_at = last_at, end_reason = 'idle_timeout'
        where ended_at is null and last_at < ?
        """,
        (before,),
    ).rowcount


def describe_session(connection: sqlite3.Connection, session_id: str, described: Row) -> None:
    """`described` are title, summary, tags and metadata."""
    connection.execute(
        "update sessions set title = ?, summary = ?, tags = ?, metadata = ? where id = ?", (*described, session_id)
    )


def find_session(connection: sqlite3.Connection, session_id: str) -> Row | None:
    """The columns, then how many messages it has."""
    row: Row | None = connection.execute(f"{_READ} where s.id = ?", (session_id,)).fetchone()
    return row


def has_session(connection: sqlite3.Connection, session_id: str) -> bool:
    return connection.execute("select 1 from sessions where id = ?", (session_id,)).fetchone() is not None


def list_sessions(
    connection: sqlite3.Connection, conversation_id: str, start: tuple[float, str] | None, limit: int
) -> list[Row]:
    """Latest start first, from behind (started_at, id) `start`; of every conversation when none is named."""
    conditions, values = list[str](), list[object]()
    if conversation_id:
        conditions.append("s.conversation_id = ?")
        values.append(conversation_id)
    if start is not None:
        conditions.append("(s.started_at, s.id) < (?, ?)")
        values += start
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return connection.execute(
        f"{_READ}{where} order by s.started_at desc, s.id desc limit ?", (*values, limit)
    ).fetchall()


def bare_sessions(connection: sqlite3.Connection, limit: int) -> list[Row]:
    """Closed sessions without a summary, the latest first."""
    return connection.execute(
        f"{_READ} where s.summary = '' and s.ended_at is not null order by s.ended_at desc limit ?", (limit,)
    ).fetchall()


def session_messages(connection: sqlite3.Connection, session_id: str) -> list[Row]:
    return connection.execute(
        f"select {', '.join(MESSAGE_COLUMNS)} from messages where session_id = ? order by number",  # noqa: S608 - only names from above
        (session_id,),
    ).fetchall()


def move_messages(connection: sqlite3.Connection, session_id: str, first_number: int, to_session: str) -> int:
    """Give the session's messages from number `first_number` on to another one; how many there are."""
    return connection.execute(
        "update messages set session_id = ? where session_id = ? and number >= ?",
        (to_session, session_id, first_number),
    ).rowcount


def message_numbers(connection: sqlite3.Connection, session_id: str) -> list[tuple[int, str, float]]:
    """(number, id, time) of the session's messages, in order."""
    return connection.execute(
        "select number, id, at from messages where session_id = ? order by number", (session_id,)
    ).fetchall()
