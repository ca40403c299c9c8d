"""SQL of `log_lines`: functions of a connection, for use inside a `Database` operation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from thane.storage.statements import insert, marks

type Row = tuple[Any, ...]

COLUMNS = (
    *("at", "level", "subsystem", "message", "run_id", "conversation_id", "loop_id", "tool", "model"),
    *("attributes", "source_file", "source_line"),
)
_INSERT = insert("log_lines", COLUMNS)
_SELECT = f"select id, {', '.join(COLUMNS)} from log_lines"  # noqa: S608 - names from above


def add(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Store lines, oldest first: rows in the order of `COLUMNS`."""
    connection.executemany(_INSERT, rows)


def newest(
    connection: sqlite3.Connection,
    *,
    level: int,
    loop_id: str = "",
    conversation_ids: Sequence[str] = (),
    run_id: str = "",
    without: Sequence[str] = (),
    before: int = 0,
    limit: int,
) -> list[Row]:
    """Lines of at least `level`, newest first, each with its id before its columns.

    Of this loop or one of these conversations, where such are given; of this run; not of the subsystems in `without`;
    with an id below `before`, where it is not 0.
    """
    where, values = ["level >= ?"], list[Any]([level])
    mine = list[str]()
    if loop_id:
        mine.append("(loop_id = ? and loop_id <> '')")  # says what the partial index says, or it would not be used
        values.append(loop_id)
    if conversation_ids:
        mine.append(f"(conversation_id in ({marks(conversation_ids)}) and conversation_id <> '')")
        values += conversation_ids
    if mine:
        where.append(f"({' or '.join(mine)})")
    if run_id:
        where.append("run_id = ? and run_id <> ''")
        values.append(run_id)
    if without:
        where.append(f"subsystem not in ({marks(without)})")
        values += without
    if before:
        where.append("id < ?")
        values.append(before)
    query = f"{_SELECT} where {' and '.join(where)} order by id desc limit ?"
    return connection.execute(query, (*values, limit)).fetchall()


def prune(
    connection: sqlite3.Connection, *, chatter_before: float, before: float, info: int, keep: int, most: int
) -> int:
    """Delete at most `most` lines: what is older than `before`, what is below the level `info` and older than
    `chatter_before`, and all but the newest `keep`. Returns how many were deleted."""
    deleted = connection.execute(
        """
        delete from log_lines where id in (
            select id from log_lines where at < max(?1, ?2) and (at < ?2 or level < ?3) order by at limit ?4
        )
        """,
        (chatter_before, before, info, most),
    ).rowcount
    deleted += connection.execute(
        """
        delete from log_lines where id in (
            select id from log_lines
            where id <= (select id from log_lines order by id desc limit 1 offset ?1) order by id limit ?2
        )
        """,
        (keep, most),
    ).rowcount
    return deleted
