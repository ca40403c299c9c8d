"""The full-text indexes: whether they agree with their tables, and making them anew. Functions of a connection.

They hold nothing of their own, so a damaged one costs no word; they are looked at after an unclean end.
"""

from __future__ import annotations

import sqlite3

import structlog

_log = structlog.get_logger("thane.storage")


def full_text_tables(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Every FTS5 table with its content in another one."""
    found = connection.execute(
        "select name from sqlite_master where sql like 'create virtual table%fts5%content_rowid%'"
    )
    return tuple(name for (name,) in found)


def mend_indexes(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Make those indexes anew that do not agree with their tables; which they were.

    The commands are those of https://www.sqlite.org/fts5.html#special_insert_commands; with rank 1 an index is compared
    with what it is of.
    """
    mended: list[str] = []
    for name in full_text_tables(connection):
        try:
            connection.execute(f"insert into {name} ({name}, rank) values ('integrity-check', 1)")  # noqa: S608 - of the schema
        except sqlite3.DatabaseError as error:
            _log.warning("a search index does not agree with its table and is made anew", index=name, error=str(error))
            connection.execute(f"insert into {name} ({name}) values ('rebuild')")  # noqa: S608 - of the schema
            mended.append(name)
    return tuple(mended)


def merge_indexes(connection: sqlite3.Connection, pages: int) -> bool:
    """Write about `pages` pages of each index together, so that what was deleted takes no room; whether there is more.

    With a number below 0 it is begun, with one above 0 it is gone on with:
    https://www.sqlite.org/fts5.html#the_merge_command, which also says how it is seen that nothing is left.
    """
    more = False
    for name in full_text_tables(connection):
        before = connection.total_changes
        connection.execute(f"insert into {name} ({name}, rank) values ('merge', ?)", (pages,))  # noqa: S608 - of the schema
        more = more or connection.total_changes - before >= 2
    return more
