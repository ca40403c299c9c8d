"""A process that is killed at any moment: what it confirmed is there once, and the file is sound."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.storage.turns_until_killed import CALLS, ended_run, word_of
from thane.clock import SystemClock
from thane.config.money import Budgets
from thane.config.settings import Events, Storage
from thane.events.event import NoEvents
from thane.events.filter import EVERYTHING
from thane.events.log import open_event_log
from thane.ledger.ledger import open_ledger
from thane.ledger.pricing import PriceList
from thane.memory.archive import Archive
from thane.memory.search import Wanted
from thane.storage.database import open_database
from thane.storage.indexes import full_text_tables

ROUNDS = int(os.environ.get("THANE_KILLS", "10"))
"""Kills; `just crash` has it kill more often."""
CONFIRMED = ("run", "seq", "fact", "checkpoint")
ROOT = Path(__file__).parents[2]


def confirmed_until_killed(path: Path, name: str, lines: int) -> list[tuple[str, str]]:
    """(what, its value) of each whole line before the program was killed, after `lines` of them or more."""
    command = [sys.executable, "-m", "tests.storage.turns_until_killed", str(path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as program:
        assert program.stdout
        said = [program.stdout.readline() for _ in range(lines)]
        program.kill()
        said += program.stdout.readlines()
    words = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(what, rest[0]) for what, *rest in words if what in CONFIRMED]  # the rest is log lines


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        assert [] == connection.execute("pragma foreign_key_check").fetchall()
        for name in full_text_tables(connection):  # raises when an index does not agree with its table
            connection.execute(f"insert into {name} ({name}, rank) values ('integrity-check', 1)")
        connection.rollback()
        lost = "select count(*) from messages where session_id not in (select id from sessions)"
        assert 0 == connection.execute(lost).fetchone()[0]
        counted = "select role, count(*) from messages group by role order by role"
        kept = "select role, count from message_counts where count <> 0 order by role"
        assert connection.execute(counted).fetchall() == connection.execute(kept).fetchall()
        return str(connection.execute("pragma integrity_check").fetchone()[0])
    finally:
        connection.close()


def check_search(path: Path) -> None:
    """Every word that was said is known, to be found when it is misspelt; `integrity` looks at the indexes of texts."""
    with closing(sqlite3.connect(path)) as connection:
        said = {text for (text,) in connection.execute("select content from messages where role = 'assistant'")}
        known = {word for (word,) in connection.execute("select word from words")}
        assert said <= known


def check_ledger(path: Path) -> None:
    """Each run that is done has each of its calls of models and tools once; of others there may be some."""
    with closing(sqlite3.connect(path)) as connection:
        done = {id_ for (id_,) in connection.execute("select id from runs where state = 'done'")}
        for table in ("ledger", "tool_calls"):
            counted = f"select run_id, count(*), count(distinct place) from {table} group by run_id"
            found = {run_id: (calls, places) for run_id, calls, places in connection.execute(counted)}
            new = {id_ for id_ in done if "-old-" not in id_}  # for those nothing was paid
            assert dict.fromkeys(new, (CALLS, CALLS)) == {id_: found.get(id_) for id_ in new}
            assert table == "ledger" or done == set(found)
        assert done.isdisjoint(run_id for (run_id,) in connection.execute("select run_id from open_calls"))


def check_facts(path: Path, confirmed: Sequence[str]) -> None:
    """Each is there once; of those of a name the last one holds, and the others were superseded by the next."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("select id, key, state, superseded_by from facts order by key, created_at, number")
        facts = {id_: (key, state, by) for id_, key, state, by in rows}
    assert set(confirmed) <= set(facts)
    chains: dict[str, list[str]] = {}
    for id_, (key, _, _) in facts.items():
        chains.setdefault(key, []).append(id_)
    for chain in chains.values():
        assert [*(("superseded", after) for after in chain[1:]), ("current", "")] == [facts[id_][1:] for id_ in chain]


async def test_every_confirmed_turn_survives_a_kill_once_and_no_event_number_is_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    source = random.Random(20_261_123)
    confirmed: dict[str, list[str]] = {what: [] for what in CONFIRMED}
    for round_ in range(ROUNDS):
        newest = ""
        for what, value in confirmed_until_killed(path, f"r{round_}", source.randint(1, 400)):
            confirmed[what].append(value)
            newest = value if what == "checkpoint" else newest
        assert "ok" == integrity(path)
        check_ledger(path)
        check_facts(path, confirmed["fact"])
        async with open_database(path, Storage()) as database:
            archive = Archive(database, SystemClock())
            await open_ledger(database, PriceList({}), Budgets(), clock=SystemClock(), events=NoEvents())
            await archive.recover()
            assert (0,) == await database.read(lambda c: c.execute("select count(*) from open_calls").fetchone())
            checkpoints = await archive.checkpoints.list()
            assert not newest or newest in {made.id for made in checkpoints}
            for made in checkpoints[:1]:
                assert all(part.state is not None for part in await archive.checkpoints.parts(made.id))
        check_search(path)
    runs, seqs = confirmed["run"], [int(seq) for seq in confirmed["seq"]]
    assert len(seqs) == len(set(seqs))
    assert len(runs) > ROUNDS
    assert confirmed["fact"]

    async with open_database(path, Storage()) as database, open_event_log(database, Events()) as log:
        archive = Archive(database, SystemClock())
        stored = await archive.runs(limit=1_000_000)
        assert len(stored) == len({found.id for found in stored})
        assert set(runs) <= {found.id for found in stored if found.state == "done"}
        assert {"done", "interrupted"} >= {found.state for found in stored}
        texts = await database.read(lambda c: c.execute("select content from messages where role = 'user'").fetchall())
        assert sorted(found.id for found in stored if found.state == "done") == sorted(text for (text,) in texts)
        for run_id in source.sample(runs, 5):
            found = await archive.run(run_id)
            assert ended_run(run_id, f"c_{run_id.rpartition('-')[0]}") == found
            for query in (f'"{run_id}"', word_of(run_id)):
                assert 1 == len((await archive.search.find(query, Wanted(), limit=9)).hits)

        assert log.last_seq >= max(seqs)
        kept = [event.seq for event in await log.read(0, log.last_seq + 1, EVERYTHING.matches, 1_000_000)]
        assert sorted(set(kept)) == kept
