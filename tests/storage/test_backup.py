"""Backups are whole, of one moment, and can be put back; what was there before is never lost."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.storage.test_opening import damage_the_middle
from tests.storage.test_released import RELEASED, build
from thane.config.settings import Storage
from thane.errors import ConfigurationError, DependencyError
from thane.storage import backup
from thane.storage.connection import open_connection
from thane.storage.lock import take_lock
from thane.storage.schema import APPLICATION_ID, MIGRATIONS, migrate


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "thane.db"
    path.parent.mkdir()
    with closing(open_connection(path, Storage())) as connection:
        migrate(connection, path)
    say(path, "c_1")
    return path


def say(path: Path, *ids: str) -> None:
    with closing(open_connection(path, Storage())) as connection:
        for id_ in ids:
            connection.execute(
                "insert into conversations (id, channel, title, created_at, updated_at, user, area) "
                "values (?, 'owu', '', 1, 1, '', '')",
                (id_,),
            )


def conversations(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [id_ for (id_,) in connection.execute("select id from conversations order by id")]


def restored(file: Path, database: Path) -> tuple[backup.BackedUp, Path | None]:
    return backup.restore(file, database, Storage(), stamp="now")


def test_a_backup_has_everything_in_one_private_file(database: Path, tmp_path: Path) -> None:
    found = backup.back_up(database, tmp_path / "b.db")
    assert (1, 0, len(MIGRATIONS)) == (found.conversations, found.messages, found.schema)
    assert ["c_1"] == conversations(tmp_path / "b.db")
    assert 0o600 == (tmp_path / "b.db").stat().st_mode & 0o777
    assert ["b.db", "data"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_backup_while_it_is_written_to_is_of_one_moment(database: Path, tmp_path: Path) -> None:
    """Each transaction writes two rows; a backup never has half of one."""
    stop = threading.Event()

    def write() -> None:
        with closing(open_connection(database, Storage())) as connection:
            number = 0
            while not stop.is_set():
                connection.execute("begin immediate")
                for half in "ab":
                    connection.execute(
                        "insert into conversations (id, channel, title, created_at, updated_at, user, area) "
                        "values (?, 'owu', '', 1, 1, '', '')",
                        (f"w_{number}{half}",),
                    )
                connection.execute("commit")
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup.back_up(database, tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        assert 1 == len(conversations(tmp_path / f"{number}.db")) % 2


def test_a_backup_never_replaces_a_file(database: Path, tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("mine")
    with pytest.raises(ConfigurationError, match="there already"):
        backup.back_up(database, tmp_path / "b.db")
    assert "mine" == (tmp_path / "b.db").read_text()


@pytest.mark.parametrize("target", ["none/b.db"])
def test_a_backup_needs_its_folder(database: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(ConfigurationError, match="no folder"):
        backup.back_up(database, tmp_path / target)


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no database"):
        backup.back_up(tmp_path / "none.db", tmp_path / "b.db")
    assert [] == list(tmp_path.iterdir())


def test_a_damaged_database_is_no_backup(database: Path, tmp_path: Path) -> None:
    say(database, *(f"c_{number:04}" for number in range(2000)))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma wal_checkpoint (truncate)")
    damage_the_middle(database)
    with pytest.raises((DependencyError, sqlite3.DatabaseError)):
        backup.back_up(database, tmp_path / "b.db")
    assert ["data"] == [path.name for path in tmp_path.iterdir()]


def test_a_restore_puts_it_back_and_moves_aside_what_was_there(database: Path, tmp_path: Path) -> None:
    backup.back_up(database, tmp_path / "b.db")
    say(database, "c_2")
    found, aside = restored(tmp_path / "b.db", database)
    assert 1 == found.conversations
    assert ["c_1"] == conversations(database)
    assert aside is not None
    assert ["c_1", "c_2"] == conversations(aside)


def test_a_restore_to_an_empty_machine_makes_the_folder(database: Path, tmp_path: Path) -> None:
    backup.back_up(database, tmp_path / "b.db")
    _, aside = restored(tmp_path / "b.db", tmp_path / "new" / "thane.db")
    assert aside is None
    assert ["c_1"] == conversations(tmp_path / "new" / "thane.db")


def test_a_backup_of_an_older_release_is_brought_up_to_date(tmp_path: Path) -> None:
    build(RELEASED[0], tmp_path / "old.db")
    restored(tmp_path / "old.db", tmp_path / "data" / "thane.db")
    assert len(MIGRATIONS) == backup.look(tmp_path / "data" / "thane.db").schema


def test_nothing_is_restored_while_thane_runs(database: Path, tmp_path: Path) -> None:
    backup.back_up(database, tmp_path / "b.db")
    lock = take_lock(database)
    try:
        with pytest.raises(ConfigurationError, match="in use by another Thane"):
            restored(tmp_path / "b.db", database)
    finally:
        lock.release(clean=True)
    assert ["c_1"] == conversations(database)


def make(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


@pytest.mark.parametrize("kind", ["text", "foreign", "newer", "damaged"])
def test_what_is_no_backup_changes_nothing(database: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "b.db"
    if kind == "text":
        file.write_text("no database " * 100)
    elif kind == "foreign":
        make(file, "create table t (x)")
    elif kind == "newer":
        make(file, "create table t (x)", f"pragma application_id = {APPLICATION_ID}", "pragma user_version = 999")
    else:
        say(database, *(f"c_{number:04}" for number in range(2000)))
        backup.back_up(database, file)
        damage_the_middle(file)
    before = conversations(database)
    with pytest.raises((ConfigurationError, DependencyError)):
        restored(file, database)
    assert before == conversations(database)
    assert ["thane.db"] == [path.name for path in database.parent.iterdir() if path.suffix == ".db"]
