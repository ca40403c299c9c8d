"""SQL of the search: functions of a connection, for use inside a `Database` operation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from thane.storage.conversation_rows import MESSAGE_COLUMNS
from thane.storage.search_scope import Wanted, scope

type Row = tuple[Any, ...]

_COLUMNS = ", ".join(f"m.{column}" for column in MESSAGE_COLUMNS)


def find_messages(
    connection: sqlite3.Connection, expression: str, wanted: Wanted, most: int
) -> list[tuple[int, float]]:
    """(number, rank) of the newest `most` messages that match, best rank (the least) first.

    Ranking looks at the newest matches alone: the rank of every message with a common word would cost seconds in a
    long archive.
    """
    let = scope(connection, wanted)
    if let.is_empty:
        return []
    where = "".join(f" and {condition}" for condition in let.conditions)
    joined = "join messages m on m.number = f.rowid" if " m." in where else ""
    return connection.execute(
        f"""
        select number, rank from (
            select f.rowid as number, bm25(messages_words) as rank
            from messages_words f {joined}
            where messages_words match ?{where}
            order by f.rowid desc limit ?
        ) order by rank, number desc
        """,  # noqa: S608 - conditions are this package's own texts, values are bound
        (expression, *let.values, most),
    ).fetchall()


def snippet(connection: sqlite3.Connection, expression: str, number: int, tokens: int) -> str:
    """A part of the message around what was found, which stands between `**` and `**`."""
    row = connection.execute(
        """
        select snippet(messages_words, 0, '**', '**', '…', ?) from messages_words
        where messages_words match ? and rowid = ?
        """,
        (tokens, expression, number),
    ).fetchone()
    return str(row[0]) if row else ""


def message_by_number(connection: sqlite3.Connection, number: int) -> tuple[str, Row]:
    """Its session, and its row."""
    session, *row = connection.execute(
        f"select m.session_id, {_COLUMNS} from messages m where m.number = ?",  # noqa: S608 - only names from above
        (number,),
    ).fetchone()
    return session, tuple(row)


def neighbours(
    connection: sqlite3.Connection, conversation_id: str, number: int, *, after: bool, most: int
) -> list[Row]:
    """The messages of the conversation that were stored next to message `number`, the nearest first."""
    than, order = (">", "asc") if after else ("<", "desc")
    return connection.execute(
        f"""
        select {_COLUMNS} from messages m where m.conversation_id = ? and m.number {than} ?
        order by m.number {order} limit ?
        """,  # noqa: S608 - only names from above
        (conversation_id, number, most),
    ).fetchall()


def messages_between(
    connection: sqlite3.Connection,
    first: float,
    last: float,
    *,
    conversation_id: str,
    start: tuple[float, int],
    limit: int,
) -> list[tuple[int, Row]]:
    """(number, row) of what was said from `first` to `last`, oldest first, behind (time, number) `start`."""
    one = "and m.conversation_id = ?" if conversation_id else ""
    found = connection.execute(
        f"""
        select m.number, {_COLUMNS} from messages m
        where m.at >= ? and m.at <= ? and (m.at, m.number) > (?, ?) {one} order by m.at, m.number limit ?
        """,  # noqa: S608 - only names from above
        (first, last, *start, *((conversation_id,) if conversation_id else ()), limit),
    ).fetchall()
    return [(number, tuple(row)) for number, *row in found]


def add_words(connection: sqlite3.Connection, words: Iterable[str]) -> None:
    connection.executemany("insert or ignore into words (word) values (?)", [(word,) for word in words])


def last_texts(connection: sqlite3.Connection, most: int) -> list[str]:
    """What was said in the messages stored last."""
    found = connection.execute("select content from messages order by number desc limit ?", (most,))
    return [text for (text,) in found]


def is_known(connection: sqlite3.Connection, word: str) -> bool:
    return connection.execute("select 1 from words where word = ?", (word,)).fetchone() is not None


def similar_words(connection: sqlite3.Connection, trigrams: str, length: tuple[int, int], most: int) -> list[str]:
    """Known words of about that length that share the most trigrams, the likeliest first."""
    found = connection.execute(
        """
        select w.word from words_trigrams t join words w on w.number = t.rowid
        where words_trigrams match ? and length(w.word) between ? and ? order by bm25(words_trigrams) limit ?
        """,
        (trigrams, *length, most),
    ).fetchall()
    return [word for (word,) in found]
