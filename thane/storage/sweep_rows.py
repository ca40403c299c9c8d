"""SQL of what goes for its age or for want of room: sessions with what was said and done in them, and unused room.

Functions of a connection, for use inside a `Database` operation. Each does a little, so that a turn waiting for the
writer waits a few milliseconds at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from thane.storage.conversation_list import delete_conversation

_ENDED = "state not in ('queued', 'running')"


class Gone(NamedTuple):
    """What one step has deleted."""

    sessions: int = 0
    conversations: int = 0
    messages: int = 0
    runs: int = 0


def delete_oldest(connection: sqlite3.Connection, before: float, live: Collection[str], most: int) -> Gone:
    """Delete up to `most` messages of the oldest session that was last spoken in before `before`, with their runs; with
    the last message the session goes, and with its last session the conversation. Nothing is left to do: nothing gone.

    Of a conversation in `live`, the latest session stays. One that facts belong to stays too, without a word in it.
    """
    names = msgspec.json.encode(sorted(live)).decode()
    found = connection.execute(
        """
        select s.id, s.conversation_id from sessions s
        where s.started_at < ? and s.last_at < ? and (
            s.conversation_id not in (select value from json_each(?))
            or s.ended_at is not null and exists (
                select 1 from sessions later where later.conversation_id = s.conversation_id
                    and (later.started_at, later.id) > (s.started_at, s.id)
            )
        )
        order by s.started_at, s.id limit 1
        """,
        (before, before, names),
    ).fetchone()
    if found is None:
        return _delete_bare(connection, before, names)
    session_id, conversation_id = found
    rows = connection.execute(
        "select number, run_id from messages where session_id = ? order by number limit ?", (session_id, most)
    ).fetchall()
    connection.executemany("delete from messages where number = ?", [(number,) for number, _ in rows])
    runs = _delete_runs(connection, {run_id for _, run_id in rows if run_id})
    if connection.execute("select 1 from messages where session_id = ?", (session_id,)).fetchone():
        return Gone(messages=len(rows), runs=runs)
    connection.execute("delete from sessions where id = ?", (session_id,))
    if connection.execute("select 1 from sessions where conversation_id = ?", (conversation_id,)).fetchone():
        return Gone(sessions=1, messages=len(rows), runs=runs)
    return Gone(1, _delete_emptied(connection, conversation_id), len(rows), runs)


def _delete_bare(connection: sqlite3.Connection, before: float, live: str) -> Gone:
    """The oldest conversation in which nothing was said: one whose turns all failed, or were cut off."""
    found = connection.execute(
        """
        select id from conversations c
        where updated_at < ? and id not in (select value from json_each(?))
            and not exists (select 1 from sessions s where s.conversation_id = c.id)
            and not exists (select 1 from facts f where f.scope = 'conversation' and f.subject = c.id)
            and not exists (select 1 from runs r where r.conversation_id = c.id and r.state in ('queued', 'running'))
        order by updated_at, id limit 1
        """,
        (before, live),
    ).fetchone()
    return Gone() if found is None else Gone(conversations=_delete_emptied(connection, found[0]))


def _delete_emptied(connection: sqlite3.Connection, conversation_id: str) -> int:
    """1 when the conversation is gone, 0 when it stays, empty, for the facts that belong to it."""
    facts = "select 1 from facts where scope = 'conversation' and subject = ?"
    if not connection.execute(facts, (conversation_id,)).fetchone():
        return int(delete_conversation(connection, conversation_id))
    rest = connection.execute(f"select id from runs where conversation_id = ? and {_ENDED}", (conversation_id,))  # noqa: S608 - only text from above
    _delete_runs(connection, {run_id for (run_id,) in rest})
    connection.execute("delete from messages where conversation_id = ?", (conversation_id,))
    return 0


def _delete_runs(connection: sqlite3.Connection, run_ids: Collection[str]) -> int:
    """Delete ended runs, and those that they started, with all that belongs to them; what they cost stays."""
    found = connection.execute(
        f"""
        with recursive own (id) as (
            select value from json_each(?)
            union select r.id from runs r join own on r.parent_run_id = own.id and r.parent_run_id <> ''
        )
        select id from runs where id in (select id from own) and {_ENDED}
        """,  # noqa: S608 - only text from above
        (msgspec.json.encode(sorted(run_ids)).decode(),),
    ).fetchall()
    for rest in (
        *("steps where run_id = ?", "tool_calls where run_id = ?", "routing_decisions where run_id = ?"),
        "log_lines where run_id = ? and run_id <> ''",  # as its index says, which is not used without
        "runs where id = ?",  # spans and prompts go with the run
    ):
        connection.executemany(f"delete from {rest}", found)  # noqa: S608 - texts from above
    return len(found)


def count_messages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select coalesce(sum(count), 0) from message_counts").fetchone()[0])


def unsaid_words(connection: sqlite3.Connection, after: int, most: int) -> tuple[list[int], int]:
    """Of the `most` words behind number `after`, those that nobody says any more; and the last number looked at, or 0.

    They are suggested for misspelt ones, so one that is found nowhere would lead astray.
    """
    words = connection.execute(
        "select number, word from words where number > ? order by number limit ?", (after, most)
    ).fetchall()
    said = "select 1 from messages_words where messages_words match ? limit 1"
    unsaid = [number for number, word in words if not connection.execute(said, (f'"{word}"',)).fetchone()]
    return unsaid, words[-1][0] if words else 0


def forget_words(connection: sqlite3.Connection, words: Collection[str]) -> int:
    """Delete those of these words that nobody says any more."""
    numbers = [
        number
        for word in words
        for (number,) in connection.execute("select number from words where word = ?", (word,)).fetchall()
    ]
    return delete_words(connection, numbers)


def delete_words(connection: sqlite3.Connection, numbers: Collection[int]) -> int:
    """Delete those of these words that nobody has said meanwhile."""
    said = "select 1 from messages_words where messages_words match ? limit 1"
    gone = 0
    for number in numbers:
        row = connection.execute("select word from words where number = ?", (number,)).fetchone()
        if row is not None and not connection.execute(said, (f'"{row[0]}"',)).fetchone():
            gone += connection.execute("delete from words where number = ?", (number,)).rowcount
    return gone
