"""Facts of the reference come over once, as facts of the house."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

from tests.home.doubles import StandingClock
from thane.config.settings import Storage
from thane.conversations.reference_facts import take_facts
from thane.ids import Ids
from thane.memory.facts import Facts
from thane.storage.database import open_database
from thane.storage.reference_rows import read_reference

TABLES = """
create table conversations (id text primary key, created_at timestamp);
create table messages (id text primary key, conversation_id text, role text, content text, timestamp timestamp);
create table facts (id text, category text, key text, value text, source text, created_at timestamp,
    updated_at timestamp, confidence real);
create table entity_facts (entity_id text, key text, value text, updated_at timestamp);
insert into facts values ('f1', 'preference', 'Tea', 'green', 'c', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', 0.5);
insert into facts values ('f0', 'preference', 'tea', 'black', 'c', '2025-01-01T00:00:00Z', '2025-01-02T00:00:00Z', 3);
insert into facts values ('f2', 'odd', 'bins', 'Monday', null, null, null, null);
insert into facts values ('f3', 'user', '', 'nothing', null, null, null, null);
insert into entity_facts values ('light.desk', 'colour', 'warm', '2026-01-02T00:00:00Z');
"""


async def test_facts_come_over_once(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(TABLES)
    found, odd = take_facts(read_reference(tmp_path / "old.db"))
    clock = StandingClock()
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        facts = Facts(database, clock, Ids(Random(1), clock))

        assert (3, 0) == (await facts.take_in(found), await facts.take_in(found))

        assert 1 == odd
        assert {
            ("preference", "tea", "green", 0.5),
            ("home", "bins", "Monday", 1.0),
            ("device", "light.desk colour", "warm", 1.0),
        } == {(fact.category, fact.key, fact.value, fact.confidence) for fact in await facts.list(equal={})}


async def test_facts_are_found_in_the_database_beside_it(tmp_path: Path) -> None:
    """The reference keeps them in a file of their own."""
    conversations, facts = (
        TABLES.split("create table facts", maxsplit=1)[0],
        TABLES[TABLES.index("create table facts") :],
    )
    for name, script in (("thane.db", conversations), ("knowledge.db", facts), ("usage.db", "create table usage (x);")):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.executescript(script)
    write_nonsense(tmp_path / "logs.db")
    async with open_database(tmp_path / "ours.db", Storage()):
        pass  # which has a table of facts as well, and is none of the reference's
    found, odd = take_facts(read_reference(tmp_path / "thane.db"))
    assert (["green", "black", "Monday"], 1) == ([fact.value for fact in found], odd)


def write_nonsense(path: Path) -> None:
    path.write_text("no database " * 100)
