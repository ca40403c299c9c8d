"""How much room the database takes, and giving back what it does not need. Functions of a connection.

New databases are made with `auto_vacuum = incremental` (https://www.sqlite.org/pragma.html#pragma_auto_vacuum): deleted
rows leave pages unused, which come to the file's end and are cut off a few at a time. An older database has to be
written anew for that once; `make_shrinkable` does it where it takes no time that anyone would notice.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import structlog

_INCREMENTAL = 2
_SMALL = 33_554_432  # bytes that are written anew in well under a second
_TRIAL = "trial"
_TRIAL_BYTES = 262_144  # a turn writes some 60 pages

_log = structlog.get_logger("thane.storage")


class FileSize(NamedTuple):
    """In bytes. `used` is what would be left of the file if all unused room were given back."""

    file: int
    used: int


def file_size(connection: sqlite3.Connection) -> FileSize:
    page, pages, unused = (
        int(connection.execute(f"pragma {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return FileSize(page * pages, page * (pages - unused))


def give_back(connection: sqlite3.Connection, spare: int, most: int) -> int:
    """Cut up to `most` unused bytes off the file, as long as `spare` are left; how many.

    0 for a database from before this was possible: there, what comes next takes the room.
    """
    size = file_size(connection)
    page = int(connection.execute("pragma page_size").fetchone()[0])
    pages = min(most, size.file - size.used - spare) // page
    if pages <= 0 or connection.execute("pragma auto_vacuum").fetchone()[0] != _INCREMENTAL:
        return 0
    connection.execute(f"pragma incremental_vacuum ({pages})").fetchall()  # each row that is asked for is a page
    return size.file - file_size(connection).file


def make_shrinkable(connection: sqlite3.Connection) -> None:
    """Have the database give back room from now on. For a connection of its own, outside of a transaction.

    A large older one is left as it is: `thane repair` writes it anew.
    """
    if connection.execute("pragma auto_vacuum").fetchone()[0] == _INCREMENTAL:
        return
    if not 0 < file_size(connection).file <= _SMALL:
        return
    try:
        connection.execute("pragma auto_vacuum = incremental")
        connection.execute("vacuum")
    except sqlite3.OperationalError as error:  # no room for a second copy: nothing is lost by staying as it is
        _log.warning("the database could not be written anew, to give back room later", error=str(error))


def trial_insert(connection: sqlite3.Connection) -> None:
    """Take as much room as a turn needs, to see whether there is any; `trial_delete` gives it back."""
    trial_delete(connection)
    connection.execute("insert into meta (name, value) values (?, 0)", (_TRIAL + "." * _TRIAL_BYTES,))


def trial_delete(connection: sqlite3.Connection) -> None:
    connection.execute("delete from meta where name >= ? and name < ?", (_TRIAL, _TRIAL + "/"))
