"""The way out of a damaged database: what can be read goes into a new one. Thane must be stopped. Blocks on disk.

The damaged file is moved aside and never changed: the reading is done from a copy, as SQLite writes into a file whose
log it takes in. A database that is sound is written anew all the same, which gives back its unused room.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from thane.config import settings
from thane.errors import ConfigurationError, DependencyError
from thane.storage.connection import check_integrity, open_connection
from thane.storage.indexes import mend_indexes
from thane.storage.lock import take_lock
from thane.storage.log_pages import take_in_log
from thane.storage.salvage import Salvaged, salvage
from thane.storage.schema import APPLICATION_ID, MIGRATIONS, migrate
from thane.storage.swap import SIDE_FILES, finish, swap

_CHUNK = 1_048_576
_BLOCK = 4096


class Repaired(msgspec.Struct, frozen=True):
    """`aside` is where the old file is. `tables` are empty when nothing was wrong: then all is as it was. Sizes are in
    bytes."""

    aside: Path
    tables: tuple[Salvaged, ...]
    size_before: int
    size: int
    has_log: bool = True
    """False where the log beside it, with what was written last, could not be read."""

    @property
    def is_whole(self) -> bool:
        return self.has_log and all(each.is_whole for each in self.tables)


def repair(database: Path, storage: settings.Storage, *, stamp: str) -> Repaired:
    """Put a new database in the place of a damaged one, with all that can be read of it.

    `stamp` makes the name of the old file. Raises ConfigurationError when there is none, Thane runs, or it is not one
    of Thane's or of a newer one; OSError when the disk fails. Nothing has changed then.
    """
    if not database.is_file():
        raise ConfigurationError(f"there is no database {database}")
    lock = take_lock(database)
    clean = lock.was_clean
    copy, part = (database.with_name(f"{database.name}.{what}") for what in ("reading", "part"))
    try:
        finish(database)
        for each in (copy, part):
            _delete(each)
        _copy(database, copy)
        has_log = _take_in_log(copy)
        _check_whose(copy)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        with closing(open_connection(part, storage)) as connection:
            tables = () if _is_sound(copy) and _write_anew(copy, connection) else salvage(copy, connection, part)
            migrate(connection, part)
            mend_indexes(connection)
            check_integrity(connection, part)
            connection.execute("pragma wal_checkpoint (truncate)")
        size_before = database.stat().st_size
        aside = swap(database, part, kept_as=f"before-repair-{stamp}")
        clean = True
    finally:
        for each in (copy, part):
            _delete(each)
        lock.release(clean=clean)
    assert aside is not None  # noqa: S101 it was there: see above
    return Repaired(aside, tables, size_before, database.stat().st_size, has_log)


def _copy(database: Path, copy: Path) -> None:
    """With the log beside it, which may hold what was written last. What the disk cannot read is copied as zeros."""
    for side in ("", "-wal"):
        here = database.with_name(database.name + side)
        if not here.exists():
            continue
        source = os.open(here, os.O_RDONLY | os.O_CLOEXEC)
        target = os.open(copy.with_name(copy.name + side), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for offset in range(0, os.fstat(source).st_size, _CHUNK):
                os.pwrite(target, _readable(source, offset), offset)
        finally:
            os.close(source)
            os.close(target)


def _readable(source: int, offset: int) -> bytes:
    """A chunk of the file, with zeros in the place of blocks that the disk fails to read."""
    try:
        return os.pread(source, _CHUNK, offset)
    except OSError:
        whole = bytearray()
        for place in range(offset, min(offset + _CHUNK, os.fstat(source).st_size), _BLOCK):
            try:
                whole += os.pread(source, _BLOCK, place)
            except OSError:
                whole += bytes(_BLOCK)
        return bytes(whole)


def _take_in_log(copy: Path) -> bool:
    """Copy the pages in the log to their place, before SQLite sees it: it deletes the log of what it cannot open.

    False where it makes no sense.
    """
    log = copy.with_name(f"{copy.name}-wal")
    makes_sense = not log.exists() or not log.stat().st_size or take_in_log(copy, log)
    log.unlink(missing_ok=True)
    return makes_sense


def _check_whose(copy: Path) -> None:
    """Raise ConfigurationError for what is sound enough to tell that it is not to be touched."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            owner: int = connection.execute("pragma application_id").fetchone()[0]
            version: int = connection.execute("pragma user_version").fetchone()[0]
            named = connection.execute("select 1 from sqlite_master where name = 'conversations'").fetchone()
    except sqlite3.DatabaseError:
        return
    if owner != APPLICATION_ID and not named:
        raise ConfigurationError("this is an SQLite database, but not one of Thane's: it is left alone")
    if owner == APPLICATION_ID and version > len(MIGRATIONS):
        raise ConfigurationError(
            f"the database was written by a newer Thane (schema {version}, this one knows {len(MIGRATIONS)}): "
            "install that version again"
        )


def _is_sound(copy: Path) -> bool:
    """Whether every page makes sense to SQLite, indexes and rows agree, and it knows what is in it."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            found = connection.execute("pragma integrity_check (1)").fetchone()[0]
            owner: int = connection.execute("pragma application_id").fetchone()[0]
    except sqlite3.DatabaseError:
        return False
    return bool(found == "ok" and owner == APPLICATION_ID)


def _write_anew(copy: Path, connection: sqlite3.Connection) -> bool:
    """Copy a sound database page by page, and give back its unused room. False if SQLite finds something wrong."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as source:
            source.backup(connection)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma auto_vacuum = incremental")
        connection.execute("vacuum")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise DependencyError(f"The disk: {error}", dependency="disk") from error
        return False
    return True


def _delete(path: Path) -> None:
    for side in ("", *SIDE_FILES):
        path.with_name(path.name + side).unlink(missing_ok=True)
