"""Lines are kept, found by what they belong to, and pruned."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from thane.config.settings import Logging, Storage
from thane.errors import DependencyError
from thane.journal.index import Journal, Wanted, open_journal
from thane.journal.line import LEVELS, Lines
from thane.storage.database import Database, open_database

NOW = 1_800_000_000.0
DAY = 86_400.0


class ManualClock:
    """Stands where it is put."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


class House:
    """A journal with its queue and its clock."""

    def __init__(self, journal: Journal, lines: Lines, clock: ManualClock, database: Database) -> None:
        self.journal = journal
        self.lines = lines
        self.clock = clock
        self.database = database

    def say(self, message: str, level: str = "info", subsystem: str = "agent", **values: str) -> None:
        self.lines.take(LEVELS[level], subsystem, message, values)

    async def found(self, wanted: Wanted | None = None, limit: int = 100) -> list[str]:
        return [line.message for line in await self.journal.newest(wanted or Wanted(), limit)]


@asynccontextmanager
async def house(path: Path, limits: Logging | None = None) -> AsyncGenerator[House]:
    limits, clock = limits or Logging(), ManualClock(NOW)
    lines = Lines(clock, most=limits.queue_lines, chars=limits.line_chars)
    async with (
        open_database(path / "thane.db", Storage()) as database,
        open_journal(database, lines, limits, clock) as journal,
    ):
        yield House(journal, lines, clock, database)


async def test_newest_come_first_and_pages_follow_each_other(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        for number in range(5):
            here.say(str(number))
        first = await here.journal.newest(Wanted(), 2)
        assert ["4", "3"] == [line.message for line in first]
        assert ["2", "1"] == await here.found(Wanted(before=first[-1].id), 2)


async def test_lines_are_found_by_loop_conversation_run_level_and_subsystem(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        here.say("of the loop", loop_id="l-1")
        here.say("of its conversation", conversation_id="c-1", level="warning")
        here.say("of a run", run_id="r-1", level="error")
        here.say("of nobody", subsystem="http")
        assert ["of its conversation", "of the loop"] == await here.found(
            Wanted(loop_id="l-1", conversation_ids=("c-1", "c-2"))
        )
        assert ["of a run"] == await here.found(Wanted(run_id="r-1"))
        assert ["of a run", "of its conversation"] == await here.found(Wanted(level="warning"))
        assert "of nobody" not in await here.found(Wanted(without=("http",)))


async def test_lines_are_written_as_they_come(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with house(tmp_path) as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.journal.run)
        await trio.testing.wait_all_tasks_blocked()
        here.say("hello")
        while not here.journal.statistics().stored:  # the clock stands while the database's thread works
            mock_clock.jump(Logging().flush_seconds / 10)
            await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()


async def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        here.say("the last words")
    async with house(tmp_path) as here:
        assert ["the last words"] == await here.found()


async def test_what_is_below_the_level_of_the_index_is_not_kept(tmp_path: Path) -> None:
    async with house(tmp_path, Logging(index_level="warning")) as here:
        here.say("chatter")
        assert [] == await here.found()


async def test_old_lines_go_chatter_first(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        for level in ("debug", "info"):
            here.say(f"old {level}", level)
        await here.journal.round()
        for days, pruned, left in ((8, 1, ["new", "old info"]), (100, 3, ["new"])):
            here.clock.now = NOW + days * DAY
            here.say("new")
            await here.journal.round()
            assert (left, pruned) == (await here.found(), here.journal.statistics().pruned)


async def test_no_more_lines_are_kept_than_asked(tmp_path: Path) -> None:
    async with house(tmp_path, Logging(index_rows=3)) as here:
        for number in range(9):
            here.say(str(number))
        await here.journal.round()
        assert ["8", "7", "6"] == await here.found()
        assert 6 == here.journal.statistics().pruned


async def test_a_failing_disk_loses_lines_and_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as here:

        async def fail(_operation: object) -> None:
            await trio.lowlevel.checkpoint()
            raise DependencyError("the disk is full", dependency="database")

        monkeypatch.setattr(here.database, "write", fail)
        here.say("lost")
        await here.journal.write()
        assert (1, 0) == (here.journal.statistics().lost, here.journal.statistics().stored)


async def test_lines_go_to_files_too(tmp_path: Path) -> None:
    async with house(tmp_path, Logging(dir=str(tmp_path / "logs"))) as here:
        here.say("chatter", "debug")
        here.say("hello")
    text = (tmp_path / "logs" / "thane.log").read_text()
    assert ("hello" in text, "chatter" in text) == (True, False)
