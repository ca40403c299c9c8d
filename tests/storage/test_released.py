"""Databases of every released schema open, are brought up to date, and lose nothing."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.memory.facts import Asker, Facts
from thane.memory.search import Wanted
from thane.storage.database import open_database
from thane.storage.schema import MIGRATIONS

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))
"""Dumps of databases that a released Thane wrote, by the number of their schema: four turns in two conversations."""


def build(dump: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))


def tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "select name, sql from sqlite_master where sql is not null and name not like 'sqlite_%' order by name"
        )
        return {name: " ".join(sql.split()) for name, sql in found}


def test_there_is_a_database_of_every_release() -> None:
    assert {"1", "10"} == {dump.stem for dump in RELEASED}


@pytest.mark.parametrize("dump", RELEASED, ids=lambda dump: dump.stem)
async def test_a_released_database_is_brought_up_to_date_and_loses_nothing(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    build(dump, path)
    async with open_database(path, Storage()) as database:
        archive = Archive(database, SystemClock())
        said = [each.message.content for each in await archive.messages("api:evening")]
        assert ("turn off the kitchen lights", "hello") == (said[0], said[-2])
        assert 6 == len(said)
        runs = await archive.runs(conversation_id="api:evening")
        assert {"done"} == {run.state for run in runs}
        assert 3 == len(runs)
        found = await archive.search.find("kitchen lights", Wanted(), limit=5)
        assert ["turn off the kitchen lights"] == [hit.match.message.content for hit in found.hits]
        assert 1 == len((await archive.search.find("kithcen", Wanted(), limit=5)).hits)
        (session,) = await archive.sessions.list(conversation_id="api:evening")
        assert (6, None) == (session.message_count, session.ended_at)
        assert 1 <= len(await archive.search.tool_calls(limit=10))
        if int(dump.stem) >= 10:  # it had facts and checkpoints
            facts = Facts(database, SystemClock(), Ids(random.Random(1), SystemClock()))
            assert ["Tuesday"] == [fact.value for fact in await facts.recall(Asker(), "bin day")]
            named = [made for made in await archive.checkpoints.list() if made.note == "before the release"]
            assert [(2, 8)] == [(made.conversation_count, made.message_count) for made in named]
            difference, _ = await archive.checkpoints.restore(named[0].id)
            assert [] == [each for each in difference.changes if each.change == "damaged"]
        version = await database.read(lambda connection: connection.execute("pragma user_version").fetchone()[0])
        assert len(MIGRATIONS) == version
    async with open_database(tmp_path / "new.db", Storage()):
        pass
    assert tables(tmp_path / "new.db") == tables(path)
