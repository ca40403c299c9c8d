"""A full disk is noticed before and when it happens, costs nothing that was confirmed, and is over when it is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.memory.samples import conversation, run, said
from tests.storage.test_killing import integrity
from tests.storage.test_repair import damage, roots
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.errors import DependencyError
from thane.memory.archive import Archive
from thane.memory.search import Wanted
from thane.storage import room
from thane.storage.connection import is_unwritable
from thane.storage.database import Database, open_database
from thane.testing.events import RecordedEvents

LEAST = 32_000_000


class Looked:
    """The last that was told, and waiting for what is to be told."""

    def __init__(self) -> None:
        self.ready, self.error = True, ""
        self._changed = trio.Event()

    def __call__(self, *, ready: bool, error: str) -> None:
        self.ready, self.error = ready, error
        self._changed.set()

    async def become(self, *, ready: bool) -> None:
        with trio.fail_after(10):
            while self.ready != ready:
                self._changed = trio.Event()
                await self._changed.wait()


async def stored(archive: Archive, id_: str, text: str = "hello") -> bool:
    """A turn; whether it was confirmed."""
    ended = run(id_, f"c_{id_}")
    try:
        await archive.run_ended(conversation(f"c_{id_}"), ended, said(ended, text, "done"))
    except DependencyError as error:
        if not error.temporary:
            raise
        return False
    return True


class Watched:
    """A database with its watch; `free` is what the disk has left, as far as it is told."""

    def __init__(self, database: Database, path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.archive = Archive(database, SystemClock())
        self.events, self.told = RecordedEvents(), Looked()
        self.room = room.Room(database, path, storage, events=self.events, told=self.told)
        self.free: int | None = 10 * LEAST
        monkeypatch.setattr(room, "_free_bytes", self._free_bytes)

    def _free_bytes(self, _folder: Path) -> int | None:
        return self.free

    @property
    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.events.seen]

    async def talk(self, id_: str, text: str = "hello") -> bool:
        return await stored(self.archive, id_, text)

    async def limit(self, more_pages: int | None) -> None:
        """Let the database have so many pages more than it needs now, and no more; None lifts that."""

        def pragma(connection: sqlite3.Connection) -> None:
            pages = connection.execute("pragma page_count").fetchone()[0]
            connection.execute(f"pragma max_page_count = {2**30 if more_pages is None else pages + more_pages}")

        await self.database.write(pragma)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thane.db"


@pytest.fixture
async def watched(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Watched]:
    storage = Storage(min_free_bytes=LEAST)
    async with open_database(path, storage) as database:
        yield Watched(database, path, storage, monkeypatch)


async def test_with_room_nothing_is_refused_and_nothing_told(watched: Watched) -> None:
    await watched.room.look()
    assert "" == watched.room.refusal
    assert watched.told.ready
    assert [] == watched.kinds


async def test_little_room_is_refused_with_what_to_do_until_there_is_clearly_more(watched: Watched) -> None:
    refused: list[bool] = []
    for free in (LEAST, LEAST - 1, LEAST + 1, 2 * LEAST, LEAST):
        watched.free = free
        await watched.room.look()
        refused.append(bool(watched.room.refusal))
        if free == LEAST - 1:
            assert "has only 32.0 MB left (storage.min_free_bytes is 32.0 MB)" in watched.room.refusal
            assert "Free some room there" in watched.room.refusal
            assert watched.told.error == watched.room.refusal
    assert [False, True, True, False, False] == refused
    assert ["storage_full", "storage_ready"] == watched.kinds
    assert watched.told.ready


async def test_a_system_that_does_not_tell_is_believed_to_have_room(watched: Watched) -> None:
    watched.free = None
    await watched.room.look()
    assert "" == watched.room.refusal


async def test_what_the_database_does_not_need_is_given_back_before_anything_is_refused(
    watched: Watched, path: Path
) -> None:
    for number in range(30):
        assert await watched.talk(f"r_{number}", "x" * 20_000)
    await watched.database.settle()
    before = size_of(path)
    for number in range(30):
        await watched.archive.delete(f"c_r_{number}")
    watched.free = LEAST - 1
    await watched.room.look()
    assert size_of(path) < before / 2
    assert 0 == size_of(path.with_name("thane.db-wal"))


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_a_write_that_finds_the_disk_full_is_noticed_at_once_and_again_when_there_is_room(
    watched: Watched, path: Path
) -> None:
    assert await watched.talk("r_1")
    await watched.limit(20)
    confirmed = ["r_1"]
    for number in range(2, 100):
        if not await watched.talk(f"r_{number}", "x" * 8000):
            break
        confirmed.append(f"r_{number}")
    assert 1 < len(confirmed) < 90
    assert "full" in watched.room.refusal
    assert f"Free some room ({path.parent})" in watched.room.refusal
    assert ["storage_full"] == watched.kinds

    await watched.room.look()  # the disk says that it has room, but what matters is whether the database takes anything
    assert watched.room.refusal
    await watched.limit(None)
    await watched.room.look()
    assert "" == watched.room.refusal
    assert ["storage_full", "storage_ready"] == watched.kinds
    assert await watched.talk("r_after")
    assert "ok" == integrity(path)
    assert [*confirmed, "r_after"] == [each.id for each in reversed(await watched.archive.runs(limit=1000))]
    left = await watched.database.read(
        lambda c: c.execute("select count(*) from meta where name like 'trial%'").fetchone()
    )
    assert (0,) == left


async def test_a_write_that_nobody_waits_for_is_noticed_too(watched: Watched) -> None:
    await watched.limit(0)
    watched.database.post(lambda c: c.execute("insert into meta values (?, 1)", ("x" * 100_000,)))
    with suppress(DependencyError):
        await watched.database.write(lambda connection: connection.execute("select 1"))  # it waits for the one before
    assert watched.room.refusal


async def test_the_branch_looks_again_when_a_write_has_failed(watched: Watched, path: Path) -> None:
    quick = Storage(min_free_bytes=LEAST, room_seconds=0.05)
    watched.room = room.Room(watched.database, path, quick, events=watched.events, told=watched.told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.room.run)
        await watched.limit(0)
        assert not await watched.talk("r_1", "x" * 100_000)
        assert not watched.told.ready
        await watched.limit(None)
        await watched.told.become(ready=True)
        nursery.cancel_scope.cancel()
    assert await watched.talk("r_2")


async def test_a_fault_of_the_statement_is_not_the_disks(watched: Watched) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await watched.database.write(lambda connection: connection.execute("select * from nowhere"))
    assert "" == watched.room.refusal


@pytest.mark.parametrize("how", ["written", "read"])
async def test_damage_that_is_met_while_it_runs_is_told_and_looked_at_at_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async with open_database(path, Storage()):
        pass
    damage(path, roots(path)["conversations"], "ones")
    async with open_database(path, Storage()) as database:  # it ended cleanly, so it is not looked at
        watched = Watched(database, path, Storage(), monkeypatch)
        with pytest.raises(DependencyError, match="`thane repair`"):
            if how == "written":
                await watched.talk("r_1")
            else:
                await watched.archive.conversation("c_1")
        for _ in range(2):
            assert "`thane repair`" in watched.room.refusal
            assert not watched.told.ready
            await watched.room.look()
        assert ["storage_full"] == watched.kinds
    with pytest.raises(DependencyError, match="`thane repair` saves"):
        async with open_database(path, Storage()):
            pass


async def test_a_damaged_search_index_stops_no_turn_that_can_be_stored_and_is_mended_at_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as (archive, _):
        assert await stored(archive, "r_1", "is the chandelier on?")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("update messages_words_data set block = x'00' where id > 10")
        connection.commit()
    async with open_database(path, Storage()) as database:
        watched = Watched(database, path, Storage(), monkeypatch)
        with pytest.raises(DependencyError, match="damaged"):
            await watched.archive.search.find("chandelier", Wanted(), limit=5)
        assert "" == watched.room.refusal
    async with opened(path) as (archive, _):
        assert 1 == len((await archive.search.find("chandelier", Wanted(), limit=5)).hits)


@pytest.mark.parametrize(
    ("code", "is_disk"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True),
        (sqlite3.SQLITE_READONLY, True),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_CONSTRAINT, False),
    ],
)
def test_what_counts_as_a_disk_that_takes_nothing(code: int, is_disk: bool) -> None:
    error = sqlite3.OperationalError("told by SQLite")
    error.sqlite_errorcode = code
    assert is_disk == is_unwritable(error)


@asynccontextmanager
async def opened(path: Path, **limits: Any) -> AsyncGenerator[tuple[Archive, room.Room]]:
    storage = Storage(readers=1, **limits)
    async with open_database(path, storage) as database:
        yield Archive(database, SystemClock()), room.Room(database, path, storage, events=RecordedEvents())


async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """Until the last byte; after some of it was freed all goes on."""
    path = small_disk / "thane.db"
    filler, another = small_disk / "filler", small_disk / "another"
    filler.write_bytes(b"x" * 1_500_000)
    another.write_bytes(b"x" * 500_000)
    confirmed: list[str] = []
    async with opened(path, min_free_bytes=0) as (archive, watch):
        for number in range(1000):
            if not await stored(archive, f"r_{number:03}", "x" * 20_000):
                break
            confirmed.append(f"r_{number:03}")
        await watch.look()
        assert watch.refusal
        filler.unlink()
        await watch.look()
        assert "" == watch.refusal
        assert await stored(archive, "r_after")
    assert len(confirmed) > 3
    another.unlink()  # a disk that is full to the last byte has no room for opening either, which is said
    assert "ok" == integrity(path)
    async with opened(path) as (archive, _):
        assert [*confirmed, "r_after"] == [each.id for each in reversed(await archive.runs(limit=1000))]


async def test_deleting_makes_room_on_a_real_disk(small_disk: Path) -> None:
    path, storage = small_disk / "thane.db", Storage(min_free_bytes=3_000_000)
    async with open_database(path, storage) as database:
        archive = Archive(database, SystemClock())
        watch = room.Room(database, path, storage, events=RecordedEvents())
        number = 0
        while not watch.refusal:
            assert await stored(archive, f"r_{number:03}", "x" * 20_000)
            number += 1
            await watch.look()
            await database.settle()  # on so small a disk the log may not grow as it likes
        for each in range(number):
            await archive.delete(f"c_r_{each:03}")
            await database.settle()
        await watch.look()
        assert "" == watch.refusal
        assert await stored(archive, "r_after", "x" * 20_000)
    assert number > 10


async def test_too_little_room_is_seen_on_a_real_disk(small_disk: Path) -> None:
    async with opened(small_disk / "thane.db", min_free_bytes=3_000_000) as (_, watch):
        await watch.look()
        assert "" == watch.refusal
        (small_disk / "filler").write_bytes(b"x" * 9_500_000)
        await watch.look()
        assert watch.refusal
