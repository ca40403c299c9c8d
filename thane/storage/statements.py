"""Pieces of SQL that every table needs. Names of tables and columns are this package's own, values are bound."""

from __future__ import annotations

from collections.abc import Sequence


def marks(values: Sequence[object]) -> str:
    """A question mark for each value."""
    return ", ".join("?" * len(values))


def insert(table: str, columns: Sequence[str]) -> str:
    """The statement that adds a row with values for these columns."""
    return f"insert into {table} ({', '.join(columns)}) values ({marks(columns)})"  # noqa: S608 - names from this package
