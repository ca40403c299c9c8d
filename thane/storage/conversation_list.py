"""SQL of the list of conversations, and of what a person does with one: naming it, putting it away, deleting it.

Functions of a connection, for use inside a `Database` operation. Rows are those of `conversation_rows`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from thane.storage.conversation_rows import READ_CONVERSATION, Row

_MESSAGES = "(select count(*) from messages where conversation_id = c.id)"
_SAID = """
    select m.conversation_id from messages_words f join messages m on m.number = f.rowid
    where messages_words match ? and m.role in ('user', 'assistant')
"""
_RUNS = """
    own (id) as (
        select id from runs where conversation_id = ?
        union select child.id from runs child join own on child.parent_run_id = own.id and child.parent_run_id <> ''
    )
"""
"""The runs of a conversation, and those that they started. An index with a condition is used where that is repeated."""
_SORTED_BY = {"updated": "updated_at", "created": "created_at", "title": "lower(title)", "messages": _MESSAGES}


def select_conversations(
    connection: sqlite3.Connection,
    *,
    ids: Sequence[str],
    channel: str,
    user: str,
    area: str,
    title: str,
    said: str,
    updated_after: float | None,
    updated_before: float | None,
    created_after: float | None,
    created_before: float | None,
    min_messages: int | None,
    max_messages: int | None,
    archived: bool | None,
    sort: str,
    order: str,
    limit: int,
    after: tuple[Any, str] | None,
) -> tuple[list[Row], int]:
    """A page of the conversations that fit (see `ConversationQuery`), and how many fit in all.

    `title` is looked for in titles, and `said`, an FTS5 query, in what was said: one of them is enough. Each row begins
    with what it is sorted by, for the next page to go on from.
    """
    likes = f"%{title.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    conditions: list[tuple[bool, str, tuple[Any, ...]]] = [
        (bool(ids), "id in (select value from json_each(?))", (msgspec.json.encode(ids).decode(),)),
        (bool(channel), "channel = ?", (channel,)),
        (bool(user), "user = ?", (user,)),
        (bool(area), "area = ?", (area,)),
        (bool(title and said), f"(title like ? escape '!' or id in ({_SAID}))", (likes, said)),
        (bool(title and not said), "title like ? escape '!'", (likes,)),
        (updated_after is not None, "updated_at >= ?", (updated_after,)),
        (updated_before is not None, "updated_at < ?", (updated_before,)),
        (created_after is not None, "created_at >= ?", (created_after,)),
        (created_before is not None, "created_at < ?", (created_before,)),
        (min_messages is not None, f"{_MESSAGES} >= ?", (min_messages,)),
        (max_messages is not None, f"{_MESSAGES} <= ?", (max_messages,)),
        (archived is not None, "archived = ?", (archived,)),
    ]
    wanted = [(text, values) for applies, text, values in conditions if applies]
    where = " and ".join(text for text, _ in wanted) or "true"
    given = [value for _, values in wanted for value in values]
    count = connection.execute(f"select count(*) from conversations c where {where}", given).fetchone()[0]  # noqa: S608 - only texts from above
    by, descending = _SORTED_BY[sort], order == "desc"
    if after is not None:
        where += f" and ({by}, id) {'<' if descending else '>'} (?, ?)"
        given += after
    way = "desc" if descending else "asc"
    read = READ_CONVERSATION.replace("select", f"select {by},", 1)
    rows = connection.execute(
        f"{read} where {where} order by {by} {way}, id {way} limit ?",
        (*given, limit),
    )
    return rows.fetchall(), count


def set_title(connection: sqlite3.Connection, conversation_id: str, title: str, by: str) -> bool:
    """Name a conversation; a name that a person gave stays unless a person gives another. Whether it was named."""
    return bool(
        connection.execute(
            "update conversations set title = ?, title_by = ? where id = ? and (title_by <> 'person' or ? = 'person')",
            (title, by, conversation_id, by),
        ).rowcount
    )


def set_archived(connection: sqlite3.Connection, conversation_id: str, *, archived: bool) -> bool:
    """Put a conversation away, or take it out again. Whether there is one."""
    return bool(
        connection.execute("update conversations set archived = ? where id = ?", (archived, conversation_id)).rowcount
    )


def delete_conversation(connection: sqlite3.Connection, conversation_id: str) -> bool:
    """Delete a conversation, all that was said in it and all that was done for it. Whether there was one.

    What it cost is not here, and stays.
    """
    runs = f"(with recursive {_RUNS} select id from own)"  # noqa: S608 - only text from above
    for statement in (
        f"delete from steps where run_id in {runs}",  # noqa: S608 - only text from above
        f"delete from tool_calls where run_id in {runs}",  # noqa: S608 - only text from above
        f"delete from routing_decisions where run_id in {runs}",  # noqa: S608 - only text from above
        f"delete from runs where id in {runs}",  # noqa: S608 - only text from above
        "delete from messages where conversation_id = ?",
        "delete from sessions where conversation_id = ?",
        "delete from log_lines where conversation_id = ? and conversation_id <> ''",
    ):
        connection.execute(statement, (conversation_id,))
    return bool(connection.execute("delete from conversations where id = ?", (conversation_id,)).rowcount)
