"""Opening SQLite the one way that Thane uses it, and saying what its errors mean. All functions here block on disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from thane.config import settings
from thane.errors import ConfigurationError, DependencyError

type Operation[T] = Callable[[sqlite3.Connection], T]
"""What a room wants done in the database: plain SQL on a connection that it is lent for the call."""

_CHECKPOINT_PAGES = 16_000  # by the writer itself, for what `thane.storage.backfill` has left: 64 MB
_KEPT_WAL_BYTES = 67_108_864  # a WAL that a long read let grow is cut back to this at the next checkpoint


def open_connection(path: Path, storage: settings.Storage, *, reader: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun and ended by statements, never behind our back.

    WAL lets readers see the last commit while a write goes on. `check_same_thread` is off because the threads take
    turns; no connection is ever used by two at a time.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute(f"pragma busy_timeout = {round(storage.busy_timeout_seconds * 1000)}")
        if not path.stat().st_size:  # only of a new file: to one that has tables this would be a write
            connection.execute("pragma auto_vacuum = incremental")  # see `thane.storage.file_size`
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {storage.synchronous}")
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma temp_store = memory")
        cache = storage.reader_cache_bytes if reader else storage.cache_bytes
        connection.execute(f"pragma cache_size = -{max(1, cache // 1024)}")  # negative: in KiB
        connection.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"pragma journal_size_limit = {_KEPT_WAL_BYTES}")
        if reader:
            connection.execute("pragma query_only = on")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_file(path: Path) -> None:
    """Make the folder and an empty file that only its owner can read; SQLite's side files inherit its mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"the database {path} cannot be written ({error.strerror}): give Thane a `data_dir` that it may write to"
        ) from error


def check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DependencyError when the file is damaged. Reads the whole database.

    Since 3.44 SQLite looks at the indexes of texts here as well, which `mend_indexes` makes anew.
    """
    findings = [str(row[0]) for row in connection.execute("pragma quick_check (100)")]
    bad = [finding for finding in findings if finding != "ok" and "inverted index" not in finding]
    if bad:
        raise damaged(path, "; ".join(bad[:5]))


def damaged(path: Path, finding: str) -> DependencyError:
    return DependencyError(
        f"the database {path} is damaged ({finding}): `thane repair` saves what can still be read of it and keeps the "
        "damaged file; or put a backup in its place with `thane restore`",
        dependency="database",
        temporary=False,
    )


_DAMAGED = "The database is damaged: stop Thane, and save what can be read with `thane repair`."
_MEANINGS = {
    sqlite3.SQLITE_FULL: ("The disk is full: nothing can be stored until there is room.", True),
    sqlite3.SQLITE_IOERR: ("The disk failed to read or write the database.", True),
    sqlite3.SQLITE_CANTOPEN: ("The database's folder can no longer be written to.", True),
    sqlite3.SQLITE_READONLY: ("The database can no longer be written to.", True),
    sqlite3.SQLITE_BUSY: ("Another program keeps the database locked.", True),
    sqlite3.SQLITE_NOMEM: ("There is not enough memory for the database.", True),
    sqlite3.SQLITE_CORRUPT: (
        "The database is damaged: stop Thane, and save what can be read with `thane repair`.",
        False,
    ),
    sqlite3.SQLITE_NOTADB: (
        "The database is damaged: stop Thane, and save what can be read with `thane repair`.",
        False,
    ),
}


def as_dependency(error: BaseException) -> BaseException:
    """A DependencyError for what the disk or another program did; `error` itself when the fault is in the statement."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.Error) and code is not None:
        meaning = _MEANINGS.get(code & 0xFF)  # the low byte is the primary code: sqlite.org/rescode.html
        if meaning is not None:
            failure = DependencyError(f"{meaning[0]} ({error})", dependency="database", temporary=meaning[1])
            failure.__cause__ = error
            return failure
    return error


def is_busy(error: BaseException) -> bool:
    """Whether waiting for another program's lock is what failed, so that trying again at once would wait again."""
    return _code_of(error) == sqlite3.SQLITE_BUSY


_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def is_unwritable(error: BaseException) -> bool:
    """Whether the disk took nothing, as told by the error itself or by the DependencyError made of it.

    A disk that is full is not always said to be: where the index of the log cannot grow, that is an error of reading or
    writing (https://www.sqlite.org/rescode.html#ioerr_shmsize).
    """
    return _code_of(error) in _UNWRITABLE


def is_damage(error: BaseException) -> bool:
    """Whether something in the file made no sense."""
    return _code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage_of_index(error: BaseException) -> bool:
    """Whether that is in an index of texts, which the next start makes anew."""
    cause = error.__cause__ if isinstance(error, DependencyError) else error
    return getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_CORRUPT_VTAB


def is_full(error: BaseException) -> bool:
    """Whether that was said to be for want of room."""
    return _code_of(error) == sqlite3.SQLITE_FULL


def _code_of(error: BaseException) -> int:
    """SQLite's primary code: the low byte; 0 for what is not from SQLite."""
    cause = error.__cause__ if isinstance(error, DependencyError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF
