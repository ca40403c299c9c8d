"""A search index that was damaged is found after an unclean end, and made anew from its table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from tests.memory.samples import conversation, run, said
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.errors import DependencyError
from thane.memory.archive import Archive
from thane.memory.search import Wanted
from thane.storage.connection import check_integrity
from thane.storage.database import open_database
from thane.storage.indexes import full_text_tables, mend_indexes

DAMAGE = {
    "words are missing": "delete from messages_words_data where id > 10",
    "rows are missing": "delete from messages_words_docsize",
    "a message is unknown": "insert into messages_words (rowid, content) values (99, 'ghost')",
    "known words are missing": "delete from words_trigrams_data where id > 10",
}


async def fill(path: Path) -> None:
    async with open_database(path, Storage()) as database:
        ended = run("r_1", "c_1")
        await Archive(database, SystemClock()).run_ended(
            conversation("c_1"), ended, said(ended, "is the garden lamp on?", "It is on.")
        )


async def found(path: Path, text: str) -> int:
    async with open_database(path, Storage()) as database:
        return len((await Archive(database, SystemClock()).search.find(text, Wanted(), limit=9)).hits)


def as_after_a_kill(path: Path) -> None:
    path.with_name(path.name + ".lock").write_text("1\n")


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_index_is_made_anew_after_an_unclean_end(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "thane.db"
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    as_after_a_kill(path)
    assert 1 == await found(path, "garden lamp")
    assert 1 == await found(path, "gardne")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert () == mend_indexes(connection)


async def test_a_sound_index_is_left_alone(tmp_path: Path) -> None:
    await fill(tmp_path / "thane.db")
    with closing(sqlite3.connect(tmp_path / "thane.db", isolation_level=None)) as connection:
        assert {"messages_words", "words_trigrams"} <= set(full_text_tables(connection))
        assert () == mend_indexes(connection)


class Told:
    """A connection of a newer SQLite, which looks at indexes of texts too."""

    def __init__(self, *findings: str) -> None:
        self._findings = findings

    def execute(self, _sql: str) -> list[tuple[str]]:
        return [(finding,) for finding in self._findings]


def test_an_index_of_texts_that_can_be_made_anew_is_no_damage() -> None:
    index = "malformed inverted index for FTS5 table main.messages_words"
    for findings in (("ok",), (index,), (index, "ok")):
        check_integrity(cast("sqlite3.Connection", Told(*findings)), Path("thane.db"))
    with pytest.raises(DependencyError, match=r"is damaged \(Tree 6 page 9: wrong\)"):
        check_integrity(cast("sqlite3.Connection", Told(index, "Tree 6 page 9: wrong")), Path("thane.db"))
