"""`thane backup`, `restore`, `repair` and `import` as a person meets them, with a database that Thane has written."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.cli.test_commands import thane
from tests.conversations.test_reference import ROWS, SCHEMA
from tests.conversations.test_reference_facts import TABLES
from tests.storage.faulty import contents, opened
from tests.storage.test_faults import prepare
from tests.storage.test_repair import damage, roots
from thane.memory.facts import Asker
from thane.memory.search import Wanted


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A configuration whose database has something in it."""
    (tmp_path / "data").mkdir()
    await prepare(tmp_path / "data" / "thane.db")
    path = tmp_path / "config.yaml"
    path.write_text(f"data_dir: {tmp_path}/data\n")
    return path


def database(config: Path) -> Path:
    return config.parent / "data" / "thane.db"


def lines(*args: str, config: Path, code: int = 0) -> list[str]:
    done = thane(*args, "--config", str(config), folder=config.parent)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return (done.stdout or done.stderr).splitlines()


async def test_a_backup_is_put_back_exactly_and_what_was_there_is_kept(config: Path) -> None:
    before = contents(database(config))
    (told,) = lines("backup", "all.db", config=config)
    assert told.startswith("all.db: 3 conversations, 8 messages, ")
    async with opened(database(config)) as house:
        await house.archive.delete("c_1")
    changed = contents(database(config))
    assert before != changed
    restored, kept = lines("restore", "all.db", config=config)
    assert restored.startswith("Restored 3 conversations, 8 messages, ")
    assert before == contents(database(config))
    assert changed == contents(Path(kept.removeprefix("What was there before is in ").removesuffix(".")))
    (again,) = lines("restore", "nothing.db", config=config, code=1)
    assert "there is no database nothing.db" in again
    assert before == contents(database(config))


async def test_a_damaged_database_is_told_with_the_way_out_which_works(config: Path) -> None:
    whole = contents(database(config))
    damage(database(config), roots(database(config))["messages_by_key"], "ones")
    told = lines("repair", config=config)
    assert "messages                     8  all" in told
    assert "Everything could be read: only indexes were damaged, and are made anew." in told
    assert told[-1].startswith("The old file is ")
    assert whole == contents(database(config))

    damage(database(config), roots(database(config))["facts"], "zeros")
    told = lines("repair", config=config)
    assert "facts                        0  1 unreadable pages" in told
    assert any(line.startswith("What is lost may be in a backup or a checkpoint") for line in told)
    assert whole["messages"] == contents(database(config))["messages"]
    assert 2 == len(list(database(config).parent.glob("thane.db.before-repair-*")))  # also within a second


async def test_a_backup_of_a_damaged_database_is_none_and_says_what_to_do(config: Path) -> None:
    damage(database(config), roots(database(config))["messages"], "ones")
    told = " ".join(lines("backup", "all.db", config=config, code=1))
    assert "damaged" in told
    assert "`thane repair`" in told
    assert not (config.parent / "all.db").exists()


@pytest.mark.parametrize("command", ["backup", "restore", "repair"])
async def test_a_disk_without_room_is_told_and_changes_nothing(config: Path, small_disk: Path, command: str) -> None:
    lines("backup", "all.db", config=config)
    before = contents(database(config))
    file, folder = "all.db", small_disk / "data"
    folder.mkdir()
    if command == "backup":
        file = str(small_disk / "again.db")
    else:
        shutil.copy(database(config), folder / "thane.db")
        point_to(config, folder)
    fill_up(small_disk)
    told = " ".join(lines(command, *([] if command == "repair" else [file]), config=config, code=1))
    assert "No space left" in told or "full" in told
    assert {"data", "filler"} == names_in(small_disk)
    assert {"thane.db", "thane.db.lock"} >= names_in(folder)
    shutil.move(small_disk / "filler", config.parent)  # to read what has a log, SQLite makes a file beside it
    assert before == contents(database(config) if command == "backup" else folder / "thane.db")


def point_to(config: Path, folder: Path) -> None:
    config.write_text(f"data_dir: {folder}\n")


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def fill_up(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(65536))


async def test_a_sound_database_is_told_to_be_sound(config: Path) -> None:
    told = lines("repair", config=config)
    assert "is sound: everything is there" in told[0]
    with closing(sqlite3.connect(database(config))) as connection:
        assert (2,) == connection.execute("pragma auto_vacuum").fetchone()


async def test_the_memory_of_a_reference_is_taken_in_once(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    for name, script in (("thane.db", SCHEMA + ROWS), ("knowledge.db", TABLES[TABLES.index("create table facts") :])):
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(script)
    told = lines("import", str(folder / "thane.db"), config=config)
    assert f"Took in 7 messages in 2 conversations from {folder}/thane.db." in told
    assert "Took in 2 of 3 facts, as facts of the house." in told  # of two with one name the later one
    again = lines("import", str(folder / "thane.db"), config=config)
    assert again[0].startswith("Took in 0 messages in 0 conversations")
    assert "Took in 0 of 3 facts, as facts of the house." in again
    async with opened(database(config)) as house:
        (hit,) = (await house.archive.search.find("garden lamp", Wanted(), limit=5)).hits
        assert "is the garden lamp on?" == hit.match.message.content
        assert ["green"] == [fact.value for fact in await house.facts.recall(Asker(), "tea")]
