"""SQL of `conversations` and `messages`: functions of a connection, for use inside a `Database` operation.

Rows are tuples in the order of the columns named here; `thane.memory.rows` turns them into records and back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

type Row = tuple[Any, ...]

CONVERSATION_COLUMNS = ("id", "channel", "title", "created_at", "updated_at", "user", "area")
MESSAGE_COLUMNS = (
    *("id", "conversation_id", "run_id", "position", "at", "key", "parent_key"),
    *("role", "content", "extra"),
)

READ_CONVERSATION = f"""
    select {", ".join(CONVERSATION_COLUMNS)},
        (select count(*) from messages where conversation_id = c.id),
        (select count(*) from runs where conversation_id = c.id and parent_run_id = ''),
        (select count(distinct coalesce(nullif(turn_id, ''), id)) from runs where conversation_id = c.id),
        archived, title_by
    from conversations c
"""  # noqa: S608 - only names from above


def store_conversation(connection: sqlite3.Connection, row: Row) -> None:
    """Insert, or bring up to date: the first `created_at` stays, and the latest `updated_at`; so does a title."""
    connection.execute(
        """
        insert into conversations (id, channel, title, created_at, updated_at, user, area, title_by)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (id) do update set
            channel = excluded.channel,
            updated_at = max(updated_at, excluded.updated_at),
            user = excluded.user,
            area = excluded.area
        """,
        row,
    )


def find_conversation(connection: sqlite3.Connection, conversation_id: str) -> Row | None:
    """The columns, then how many messages, runs and turns it has, whether it is put away, and whose its title is."""
    row: Row | None = connection.execute(f"{READ_CONVERSATION} where id = ?", (conversation_id,)).fetchone()
    return row


def list_conversations(connection: sqlite3.Connection, limit: int, before: tuple[float, str] | None) -> list[Row]:
    """As `find_conversation`, latest update first, beginning after (`updated_at`, `id`) of `before`."""
    where, start = ("where (updated_at, id) < (?, ?)", before) if before else ("", ())
    return connection.execute(
        f"{READ_CONVERSATION} {where} order by updated_at desc, id desc limit ?", (*start, limit)
    ).fetchall()


def count_conversations(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from conversations").fetchone()[0])


def has_message(connection: sqlite3.Connection, conversation_id: str, key: str) -> bool:
    found = connection.execute(
        "select 1 from messages where key = ? and key <> '' and conversation_id = ?", (key, conversation_id)
    ).fetchone()
    return found is not None


def add_messages(connection: sqlite3.Connection, session_id: str, rows: Sequence[Row]) -> None:
    """Insert in this order, as part of a session; one whose key its conversation has already is left out."""
    connection.executemany(
        """
        insert into messages (id, conversation_id, run_id, position, at, key, parent_key, role, content, extra,
            session_id)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (key, conversation_id) where key <> '' do nothing
        """,
        [(*row, session_id) for row in rows],
    )


def delete_messages_of_run(
    connection: sqlite3.Connection, conversation_id: str, run_id: str, kept_keys: Sequence[str]
) -> None:
    """Delete what the run has stored, except for messages with one of `kept_keys`."""
    connection.execute(
        """
        delete from messages
        where conversation_id = ? and run_id = ? and (key = '' or key not in (select value from json_each(?)))
        """,
        (conversation_id, run_id, msgspec.json.encode(kept_keys).decode()),
    )


def list_messages(connection: sqlite3.Connection, conversation_id: str) -> list[Row]:
    """In the order in which they were stored, all branches together."""
    return connection.execute(
        f"select {', '.join(MESSAGE_COLUMNS)} from messages where conversation_id = ? order by number",  # noqa: S608 - only names from above
        (conversation_id,),
    ).fetchall()


def list_messages_after(connection: sqlite3.Connection, conversation_id: str, beginning: str) -> list[Row]:
    """Those whose `parent_key` begins so, in the order in which they were stored; `beginning` is in ASCII."""
    return connection.execute(
        f"""
        select {", ".join(MESSAGE_COLUMNS)} from messages
        where conversation_id = ? and parent_key >= ? and parent_key < ? order by number
        """,  # noqa: S608 - only names from above
        (conversation_id, beginning, beginning + "\x7f"),
    ).fetchall()


def find_asked(connection: sqlite3.Connection, conversation_id: str, run_id: str) -> str:
    """What the user said last in a run; "" where nothing of it is stored."""
    row = connection.execute(
        "select content from messages where conversation_id = ? and run_id = ? and role = 'user'"
        " order by number desc limit 1",
        (conversation_id, run_id),
    ).fetchone()
    return "" if row is None else str(row[0])


def find_holders(connection: sqlite3.Connection, key: str) -> list[Row]:
    """(conversation, updated_at, whether nothing follows, channel) of each that has the message, latest first."""
    return connection.execute(
        """
        select c.id, c.updated_at, not exists (
            select 1 from messages n where n.conversation_id = m.conversation_id and n.parent_key = m.key
        ), c.channel
        from messages m join conversations c on c.id = m.conversation_id
        where m.key = ? and m.key <> ''
        order by c.updated_at desc, c.id desc
        """,
        (key,),
    ).fetchall()
