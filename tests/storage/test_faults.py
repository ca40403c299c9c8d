"""The disk fails at any one statement of a change to the archive: it is made whole or not at all, the file is sound."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.memory.samples import AT, conversation, run, said
from tests.storage.test_killing import integrity
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.errors import DependencyError
from thane.memory.archive import Archive
from thane.memory.records import ToolCallRecord
from thane.storage.database import open_database

_TABLES = ("conversations", "sessions", "messages", "runs", "steps", "tool_calls", "words", "checkpoints")


class Failing(sqlite3.Connection):
    """Fails once, at the statement whose turn it is; every statement of every connection counts."""

    left = -1  # statements until then; below 0 for never

    def _count(self) -> None:
        if Failing.left == 0:
            Failing.left = -1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        if Failing.left > 0:
            Failing.left -= 1

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql != "rollback":
            self._count()
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._count()
        return super().executemany(sql, parameters)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def failing_connection(*given: Any, **named: Any) -> sqlite3.Connection:
        return connect(*given, factory=Failing, **named)

    monkeypatch.setattr("thane.storage.connection.sqlite3.connect", failing_connection)


async def turn(archive: Archive) -> object:
    call = ToolCallRecord("call_1", "r_9", "c_1", 1, "HassTurnOn", "{}", "done", True, AT, 0.1)
    ended = run("r_9", "c_1", at=AT + 9, tool_calls=(call,))
    messages = said(ended, "and the garden lamp?", "It is off.")
    return await archive.run_ended(conversation("c_1", at=AT + 9), ended, messages)


async def delete(archive: Archive) -> object:
    return await archive.delete("c_1")


async def split(archive: Archive) -> object:
    (session,) = await archive.sessions.list(conversation_id="c_1")
    return await archive.sessions.split(session.id, "r_1-1")


async def close(archive: Archive) -> object:
    return await archive.sessions.close("c_1", "reset", "we spoke of lamps")


async def restore(archive: Archive) -> object:
    (checkpoint,) = await archive.checkpoints.list()
    return await archive.checkpoints.restore(checkpoint.id)


async def checkpoint(archive: Archive) -> object:
    return await archive.checkpoints.create("manual")


async def change(path: Path, work: Callable[[Archive], Awaitable[object]], fail_at: int = -1) -> bool:
    """Do it; False when the disk failed on the way. `fail_at` counts the statements from when it begins."""
    async with open_database(path, Storage(readers=1)) as database:
        archive = Archive(database, SystemClock())
        await archive.sessions.recall()
        Failing.left = fail_at
        try:
            await work(archive)
        except DependencyError:
            return False
        finally:
            reached, Failing.left = Failing.left < 0, -1
        return not (reached and fail_at >= 0)


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything, but for ids and times that are made anew each time."""
    with closing(sqlite3.connect(path)) as connection:
        found: dict[str, list[tuple[object, ...]]] = {
            table: sorted(connection.execute(f"select * from {table}").fetchall(), key=repr) for table in _TABLES
        }
    found["checkpoints"] = [row[2:] for row in found["checkpoints"]]
    found["sessions"] = [(*row[:4], row[4] is None, *row[5:]) for row in found["sessions"]]
    return found


async def prepare(path: Path) -> None:
    async with open_database(path, Storage(readers=1)) as database:
        archive = Archive(database, SystemClock())
        for name in ("c_1", "c_2"):
            ended = run(f"r_{name[-1]}", name)
            await archive.run_ended(conversation(name), ended, said(ended, f"turn on lamp {name}", "It is on."))
        await archive.checkpoints.create("manual")
        ended = run("r_3", "c_2", at=AT + 3)
        await archive.run_ended(conversation("c_2", at=AT + 3), ended, said(ended, "one more", "Fine."))


CHANGES: Sequence[Callable[[Archive], Awaitable[object]]] = (turn, delete, split, close, restore, checkpoint)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
async def test_all_or_nothing_at_every_statement(tmp_path: Path, work: Callable[[Archive], Awaitable[object]]) -> None:
    origin, whole = tmp_path / "origin.db", tmp_path / "whole.db"
    await prepare(origin)
    before = rows(origin)
    shutil.copy(origin, whole)
    assert await change(whole, work)
    after = rows(whole)
    outcomes: set[str] = set()
    for number in range(400):
        path = tmp_path / f"{number}.db"
        shutil.copy(origin, path)
        done = await change(path, work, number)
        now = rows(path)
        assert "ok" == integrity(path)
        assert now in (before, after), f"half done at statement {number}"
        if done:
            assert after == now
            break
        outcomes.add("after" if now == after else "before")
        with suppress(OSError):
            path.unlink()
    else:
        pytest.fail("it never ended")
    assert number > 2
    assert "before" in outcomes


def test_the_double_says_what_sqlite_says() -> None:
    """The error code is what is looked at (`thane.storage.connection`)."""
    Failing.left = 0
    with closing(sqlite3.connect(":memory:", factory=Failing)) as connection:
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("select 1")
        assert sqlite3.SQLITE_IOERR == caught.value.sqlite_errorcode
        assert 1 == connection.execute("select 1").fetchone()[0]
