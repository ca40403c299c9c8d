"""SQL that reads a database of the reference (REFERENCE 7.1): functions of a connection to it. It is never written to.

Columns that a version of it does not have read as null, and tables that it does not have are empty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from thane.errors import ConfigurationError

type Row = dict[str, Any]

_TABLES: dict[str, tuple[str, ...]] = {
    "conversations": ("id", "created_at", "updated_at"),
    "messages": (
        *("id", "conversation_id", "session_id", "role", "content", "timestamp", "tool_calls", "tool_call_id"),
        "status",
    ),
    "tool_calls": (
        *("id", "conversation_id", "session_id", "tool_name", "arguments", "result", "error", "started_at"),
        *("completed_at", "duration_ms"),
    ),
    "sessions": (
        *("id", "conversation_id", "started_at", "ended_at", "end_reason", "summary", "title", "tags", "metadata"),
        *("parent_session_id", "parent_tool_call_id"),
    ),
    "facts": ("id", "category", "key", "value", "source", "created_at", "updated_at", "confidence"),
    "entity_facts": ("entity_id", "key", "value", "updated_at"),
}


def read_reference(path: Path) -> dict[str, list[Row]]:
    """The rows of each table. Facts that are not in it are looked for in the databases beside it, where they are kept.

    Raises ConfigurationError for what is no such database. Blocks on disk.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    try:
        found = _read(path)
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path} cannot be read as a database ({error})") from None
    if not {"conversations", "messages"} <= set(found):
        raise ConfigurationError(f"{path} has no conversations: it is not a `thane.db` of the reference")
    if "facts" not in found:
        for beside in sorted(path.parent.glob("*.db")):
            found.setdefault("facts", []).extend(_facts_of(beside) if beside != path else ())
    return found


def _facts_of(path: Path) -> list[Row]:
    """The facts in another database of the reference's; none in what cannot be read, or is Thane's own."""
    try:
        found = _read(path)
    except sqlite3.DatabaseError:
        return []
    return [] if "conversations" in found else found.get("facts", [])


def _read(path: Path) -> dict[str, list[Row]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        known = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        return {table: _rows(connection, table, columns) for table, columns in _TABLES.items() if table in known}


def _rows(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[Row]:
    there = {name for _, name, *_ in connection.execute(f"pragma table_info ({table})")}
    picked = ", ".join(column if column in there else f"null as {column}" for column in columns)
    cursor = connection.execute(f"select {picked} from {table}")  # noqa: S608 - only names from above
    return [dict(zip(columns, row, strict=True)) for row in cursor]
