"""A process that is killed at any moment: what it confirmed is there once, and the file is sound."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.memory.samples import run
from thane.clock import SystemClock
from thane.config.settings import Events, Storage
from thane.events.filter import EVERYTHING
from thane.events.log import open_event_log
from thane.memory.archive import Archive
from thane.memory.search import Wanted
from thane.storage.database import open_database
from thane.storage.indexes import full_text_tables

ROUNDS = int(os.environ.get("THANE_KILLS", "10"))
"""Kills; `just crash` has it kill more often."""
ROOT = Path(__file__).parents[2]


def confirmed_until_killed(path: Path, name: str, lines: int) -> list[tuple[str, str]]:
    """(`run` or `seq`, its value) of each whole line before the program was killed, after `lines` of them or more."""
    command = [sys.executable, "-m", "tests.storage.turns_until_killed", str(path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as program:
        assert program.stdout
        said = [program.stdout.readline() for _ in range(lines)]
        program.kill()
        said += program.stdout.readlines()
    words = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(what, rest[0]) for what, *rest in words if what in {"run", "seq"}]  # the rest is log lines


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        assert [] == connection.execute("pragma foreign_key_check").fetchall()
        for name in full_text_tables(connection):  # raises when an index does not agree with its table
            connection.execute(f"insert into {name} ({name}, rank) values ('integrity-check', 1)")
        connection.rollback()
        lost = "select count(*) from messages where session_id not in (select id from sessions)"
        assert 0 == connection.execute(lost).fetchone()[0]
        return str(connection.execute("pragma integrity_check").fetchone()[0])
    finally:
        connection.close()


async def test_every_confirmed_turn_survives_a_kill_once_and_no_event_number_is_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    source = random.Random(20_261_123)
    runs: list[str] = []
    seqs: list[int] = []
    for round_ in range(ROUNDS):
        for what, value in confirmed_until_killed(path, f"r{round_}", source.randint(1, 400)):
            if what == "run":
                runs.append(value)
            else:
                seqs.append(int(value))
        assert "ok" == integrity(path)
    assert len(seqs) == len(set(seqs))
    assert len(runs) > ROUNDS

    async with open_database(path, Storage()) as database, open_event_log(database, Events()) as log:
        archive = Archive(database, SystemClock())
        await archive.recover()
        stored = await archive.runs(limit=1_000_000)
        assert len(stored) == len({found.id for found in stored})
        assert set(runs) <= {found.id for found in stored if found.state == "done"}
        assert {"done", "interrupted"} >= {found.state for found in stored}
        texts = await database.read(lambda c: c.execute("select content from messages where role = 'user'").fetchall())
        assert sorted(found.id for found in stored if found.state == "done") == sorted(text for (text,) in texts)
        said = await archive.search.find(f'"{runs[-1]}"', Wanted(), limit=9)
        assert 1 == len(said.hits)
        for run_id in source.sample(runs, 5):
            found = await archive.run(run_id)
            assert run(run_id, f"c_{run_id.rpartition('-')[0]}") == found

        assert log.last_seq >= max(seqs)
        kept = [event.seq for event in await log.read(0, log.last_seq + 1, EVERYTHING.matches, 1_000_000)]
        assert sorted(set(kept)) == kept
