"""SQL of `event_blocks` and of the event numbers in `meta`: functions of a connection, inside a `Database` operation.

A block is the events of one write, encoded as one JSON array: a row for each event would cost several times the CPU.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

_LAST_SEQ = "event_seq"


def read_last_seq(connection: sqlite3.Connection) -> int:
    """The highest event number that may have been used; 0 when there was none."""
    found: int = connection.execute(
        """
        select max(
            coalesce((select value from meta where name = ?), 0),
            coalesce((select max(last_seq) from event_blocks), 0)
        )
        """,
        (_LAST_SEQ,),
    ).fetchone()[0]
    return found


def store_last_seq(connection: sqlite3.Connection, seq: int) -> None:
    """Note that numbers up to `seq` may be in use."""
    connection.execute(
        "insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value",
        (_LAST_SEQ, seq),
    )


def add_block(connection: sqlite3.Connection, last_seq: int, count: int, body: bytes) -> None:
    """Store a block of `count` events, the newest."""
    connection.execute(
        """
        insert into event_blocks (ordinal, last_seq, body)
        values (? + (select coalesce(max(ordinal), 0) from event_blocks), ?, ?)
        """,
        (count, last_seq, body),
    )


def delete_blocks_beyond(connection: sqlite3.Connection, keep: int) -> None:
    """Keep the newest `keep` events, and what shares a block with them; delete the rest."""
    connection.execute("delete from event_blocks where ordinal <= (select max(ordinal) from event_blocks) - ?", (keep,))


def blocks_after(connection: sqlite3.Connection, seq: int) -> Iterator[bytes]:
    """Bodies of the blocks that hold an event after `seq`, oldest first."""
    rows = connection.execute("select body from event_blocks where last_seq > ? order by last_seq", (seq,))
    return (row[0] for row in rows)


def blocks_backwards(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Bodies of all blocks, newest first."""
    rows = connection.execute("select body from event_blocks order by last_seq desc")
    return (row[0] for row in rows)


def first_block(connection: sqlite3.Connection) -> bytes | None:
    """The body of the oldest block."""
    row = connection.execute("select body from event_blocks order by last_seq limit 1").fetchone()
    return None if row is None else row[0]


_OLD = "select ordinal, json_array_length(cast(body as text)) from event_blocks where"


def delete_blocks_before(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Of the oldest `most` blocks, delete those whose last event is from before `before`; how many events they had."""
    return _delete(
        connection,
        f"""
        {_OLD} ordinal in (select ordinal from event_blocks order by ordinal limit ?)
            and json_extract(cast(body as text), '$[#-1].ts') < ?
        """,  # noqa: S608 - only text from above
        (most, before),
    )


def delete_oldest_blocks(connection: sqlite3.Connection, keep: int, most: int) -> int:
    """Delete up to `most` of the oldest blocks, but none of the newest `keep` events; how many events were there."""
    return _delete(
        connection,
        f"{_OLD} ordinal <= (select max(ordinal) from event_blocks) - ? order by ordinal limit ?",  # noqa: S608 - only text from above
        (keep, most),
    )


def _delete(connection: sqlite3.Connection, chosen: str, values: tuple[float, ...]) -> int:
    found = connection.execute(chosen, values).fetchall()
    connection.executemany("delete from event_blocks where ordinal = ?", [(ordinal,) for ordinal, _ in found])
    return sum(events for _, events in found)
