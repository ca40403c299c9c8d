"""Which messages a filter of the search lets through, where they are few enough to be listed from an index beforehand.

The index of words knows nothing of filters: a common word would be looked up in every message of the archive that has
it, and most of these rows read for nothing. So a filter that lets few messages through becomes a list of their numbers,
and their least and greatest one bound how far the index is read. SQL; functions of a connection.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

FEW = 20_000
"""Messages that are listed at most: a few milliseconds, which a filter that lets more through does not need to save."""
_FEW_CONVERSATIONS = 500
_OFTEN_SAID = ("user", "assistant")  # roles whose messages are too many to be listed


class Wanted(NamedTuple):
    """What is let through; "" and None leave it open. Times are epoch seconds."""

    conversation_id: str
    role: str
    channel: str
    since: float | None
    until: float | None
    tool: str


class Scope(NamedTuple):
    """Conditions over `f`, the index, and `m`, the message, with their values. `is_empty`: nothing can be found."""

    conditions: tuple[str, ...] = ()
    values: tuple[object, ...] = ()
    is_empty: bool = False


def scope(connection: sqlite3.Connection, wanted: Wanted) -> Scope:
    """The conditions by which exactly what is wanted is let through, the cheapest first."""
    conditions, values = list[str](), list[object]()
    first, last = 0, 1 << 62
    for sql, given in _lists(connection, wanted):
        count, least, greatest = connection.execute(
            f"select count(*), min(number), max(number) from ({sql} limit {FEW + 1})",  # noqa: S608 - only texts from below
            given,
        ).fetchone()
        if not count:
            return Scope(is_empty=True)
        if count <= FEW:
            first, last = max(first, least), min(last, greatest)
        if count <= FEW or (wanted.conversation_id and given == (wanted.conversation_id,)):
            conditions.append(f"+f.rowid in ({sql})")  # the plus: tested for each match, not looked up in the index
            values += given
    if conditions:
        conditions.insert(0, "f.rowid between ? and ?")
        values[:0] = (first, last)
    for condition, value in (
        ("m.role = ?", wanted.role),
        ("m.conversation_id in (select id from conversations where channel = ?)", wanted.channel),
        ("m.run_id in (select run_id from tool_calls where name = ?)", wanted.tool),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    for condition, time in (("m.at >= ?", wanted.since), ("m.at <= ?", wanted.until)):
        if time is not None:
            conditions.append(condition)
            values.append(time)
    return Scope(tuple(conditions), tuple(values))


def _lists(connection: sqlite3.Connection, wanted: Wanted) -> list[tuple[str, tuple[object, ...]]]:
    """Statements that list the numbers of all messages that one filter lets through, and perhaps of more."""
    lists: list[tuple[str, tuple[object, ...]]] = []
    if wanted.conversation_id:
        lists.append(("select number from messages where conversation_id = ?", (wanted.conversation_id,)))
    if wanted.since is not None or wanted.until is not None:
        first = -1.0 if wanted.since is None else wanted.since
        last = 9e18 if wanted.until is None else wanted.until
        lists.append(("select number from messages where at >= ? and at <= ?", (first, last)))
    for value, conversations in (
        (wanted.channel, "select id from conversations where channel = ?"),
        (wanted.tool, "select conversation_id from tool_calls where name = ?"),
    ):
        if value and _are_few(connection, conversations, value):
            listed = f"select number from messages where conversation_id in ({conversations})"  # noqa: S608 - as above
            lists.append((listed, (value,)))
    if wanted.role and wanted.role not in _OFTEN_SAID:
        lists.append(
            ("select number from messages where role = ? and role not in ('user', 'assistant')", (wanted.role,))
        )
    return lists


def _are_few(connection: sqlite3.Connection, conversations: str, value: str) -> bool:
    found = connection.execute(
        f"select count(*) from ({conversations} limit {_FEW_CONVERSATIONS + 1})",  # noqa: S608 - only texts from above
        (value,),
    ).fetchone()[0]
    return bool(found <= _FEW_CONVERSATIONS)
