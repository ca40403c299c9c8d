"""The database as one file that can be put away, and put back. All functions here block on disk.

A backup is made while Thane runs: SQLite's online backup (https://www.sqlite.org/backup.html) copies one moment of it,
and writers go on. A restore needs Thane to be stopped; what was there before is moved aside, never deleted.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from thane.config import settings
from thane.errors import ConfigurationError
from thane.storage.connection import check_integrity, damaged, open_connection
from thane.storage.lock import take_lock
from thane.storage.schema import APPLICATION_ID, MIGRATIONS, migrate
from thane.storage.swap import SIDE_FILES, finish, swap


class BackedUp(msgspec.Struct, frozen=True):
    """What is in a backup. `size` is in bytes, `schema` is the step of the schema."""

    path: Path
    size: int
    schema: int
    conversations: int
    messages: int


def back_up(database: Path, target: Path) -> BackedUp:
    """Copy the database, as it is at one moment, into the new file `target`, and check the copy.

    Raises ConfigurationError when there is no database or the target is there already, DependencyError when the
    database is damaged, OSError when the disk fails. Leaves no half file.
    """
    if target.exists():
        raise ConfigurationError(f"{target} is there already: a backup never replaces a file; name another one")
    if not target.parent.is_dir():
        raise ConfigurationError(f"there is no folder {target.parent} for the backup")
    part = target.with_name(target.name + ".part")
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        with closing(_open_read_only(database)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("pragma journal_mode = delete")  # one file, without side files
        found = look(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.link(part, target)  # unlike a rename, it never replaces a file that came in between
    finally:
        part.unlink(missing_ok=True)
    return msgspec.structs.replace(found, path=target)


def look(path: Path) -> BackedUp:
    """Read what is in a backup, and check it whole.

    Raises ConfigurationError when it is none of Thane's or of a newer one, DependencyError when it is damaged.
    """
    try:
        with closing(_open_read_only(path)) as connection:
            owner: int = connection.execute("pragma application_id").fetchone()[0]
            schema: int = connection.execute("pragma user_version").fetchone()[0]
            if owner != APPLICATION_ID:
                raise ConfigurationError(f"{path} is not a database of Thane's")
            if schema > len(MIGRATIONS):
                raise ConfigurationError(
                    f"{path} was written by a newer Thane (schema {schema}, this one knows {len(MIGRATIONS)}): "
                    "install that version first"
                )
            check_integrity(connection, path)
            conversations: int = connection.execute("select count(*) from conversations").fetchone()[0]
            messages: int = connection.execute("select count(*) from messages").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:  # the low byte is the primary code
            raise damaged(path, str(error)) from None
        raise ConfigurationError(f"{path} is not a database of Thane's ({error})") from None
    return BackedUp(path, path.stat().st_size, schema, conversations, messages)


def restore(backup: Path, database: Path, storage: settings.Storage, *, stamp: str) -> tuple[BackedUp, Path | None]:
    """Put a backup in the database's place; what it holds, and where the database went that was there before.

    `stamp` makes the name of the latter. An older backup is brought up to date. Raises ConfigurationError when Thane
    runs, or the backup is none; nothing has changed then.
    """
    found = look(backup)
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(database)
    clean = lock.was_clean
    part = database.with_name(database.name + ".part")
    try:
        finish(database)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        with closing(_open_read_only(backup)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
        with closing(open_connection(part, storage)) as connection:
            migrate(connection, part)
            connection.execute("pragma wal_checkpoint (truncate)")
        aside = swap(database, part, kept_as=f"before-restore-{stamp}")
        clean = True
    finally:
        part.unlink(missing_ok=True)
        for side in SIDE_FILES:
            part.with_name(part.name + side).unlink(missing_ok=True)
        lock.release(clean=clean)
    return found, aside


def _open_read_only(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ConfigurationError(f"there is no database {path}")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
