"""Checkpoints: a restore gives back exactly what was there, and a damaged one is found."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.samples import AT, conversation, run, said
from thane.config.settings import Storage
from thane.errors import ClientError
from thane.memory.archive import Archive
from thane.memory.checkpoints import CheckpointRecord, Checkpoints, Part
from thane.memory.portable import pack, unpack
from thane.memory.search import Wanted
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock

_TABLES = ("conversations", "sessions", "messages")
MIB = 1 << 20


class World:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.archive = Archive(database, TrioClock())
        self.checkpoints: Checkpoints = self.archive.checkpoints
        self._runs = 0

    async def say(self, talk: str, *texts: str, title: str = "Lights") -> None:
        self._runs += 1
        ended = run(f"r_{self._runs}", talk)
        await self.archive.run_ended(conversation(talk, at=AT + self._runs, title=title), ended, said(ended, *texts))

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows that a checkpoint keeps."""

        def read(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
            found: dict[str, list[dict[str, Any]]] = {}
            for table in _TABLES:
                cursor = connection.execute(f"select * from {table} order by 1")
                names = [column[0] for column in cursor.description]
                found[table] = [dict(zip(names, row, strict=True)) for row in cursor]
            return found

        return await self.database.read(read)

    async def blobs(self) -> int:
        return await self.database.read(
            lambda connection: connection.execute("select count(*) from checkpoint_blobs").fetchone()[0]
        )

    async def sql(self, statement: str, *values: object) -> None:
        await self.database.write(lambda connection: connection.execute(statement, values).rowcount)


@asynccontextmanager
async def world(path: Path) -> AsyncGenerator[World]:
    async with open_database(path / "thane.db", Storage()) as database:
        yield World(database)


async def test_a_restore_gives_back_exactly_what_was_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "on", "It is on.")
        await w.say("c_2", "off", "It is off.")
        then = await w.everything()
        made = await w.checkpoints.create("manual", "before")
        assert (2, 4, 0) == (made.conversation_count, made.message_count, made.fact_count)
        await w.say("c_1", "more", "Much more.", title="Renamed")
        await w.say("c_3", "new", "All new.")
        await w.sql("delete from messages where conversation_id = 'c_2'")
        after = await w.everything()
        difference, before = await w.checkpoints.restore(made.id)
        assert then == await w.everything()
        changes = {each.name: (each.change, each.added, each.removed) for each in difference.changes}
        assert {"c_1": ("changed", 0, 2), "c_2": ("changed", 2, 0), "c_3": ("removed", 0, 2)} == changes
        assert set(changes) == set(difference.touched)
        await w.checkpoints.restore(before.id)  # and back again
        assert after == await w.everything()
        await w.checkpoints.restore(made.id)
        assert then == await w.everything()


async def test_what_a_restore_brings_back_is_found_and_known_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "the garden lamp", "It is on.")
        made = await w.checkpoints.create("manual")
        await w.sql("delete from messages")
        await w.checkpoints.restore(made.id)
        found = await w.archive.search.find("garden", Wanted(), limit=5)
        assert ["the garden lamp"] == [hit.match.message.content for hit in found.hits]
        assert ["c_1"] == [holder.conversation_id for holder in await w.archive.holders("/the garden lamp/It is on.")]


async def test_a_dry_run_changes_nothing_and_says_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "on")
        made = await w.checkpoints.create("manual")
        assert (0, 1) == (
            len((await w.checkpoints.compare(made.id)).changes),
            (await w.checkpoints.compare(made.id)).same,
        )
        await w.say("c_1", "more")
        now = await w.everything()
        planned = await w.checkpoints.compare(made.id)
        assert now == await w.everything()
        done, _ = await w.checkpoints.restore(made.id)
        assert planned == done


async def test_only_the_chosen_conversations_are_touched(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        await w.say("c_2", "two")
        made = await w.checkpoints.create("manual")
        await w.say("c_1", "changed")
        await w.say("c_2", "changed")
        await w.say("c_3", "new")
        await w.checkpoints.restore(made.id, frozenset({"c_1"}))
        assert ["one"] == [each.message.content for each in await w.archive.messages("c_1")]
        assert 2 == len(await w.archive.messages("c_2"))
        assert 1 == len(await w.archive.messages("c_3"))
        with pytest.raises(ClientError, match="no conversation 'c_9'"):
            await w.checkpoints.restore(made.id, frozenset({"c_9"}))


async def test_runs_of_what_was_removed_find_their_conversation_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        full = await w.checkpoints.create("manual")
        await w.sql("update runs set conversation_id = null")
        await w.sql("delete from sessions")
        await w.sql("delete from messages")
        await w.sql("delete from conversations")
        await w.checkpoints.restore(full.id)
        assert ["r_1"] == [each.id for each in await w.archive.runs(conversation_id="c_1")]


async def test_what_did_not_change_is_stored_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        await w.say("c_2", "two")
        first = await w.checkpoints.create("periodic")
        await w.say("c_2", "three")
        second = await w.checkpoints.create("periodic")
        assert 3 == await w.blobs()
        assert await w.checkpoints.delete(first.id)
        assert 2 == await w.blobs()
        assert not await w.checkpoints.delete(first.id)
        assert all(part.state is not None for part in await w.checkpoints.parts(second.id))


async def test_a_damaged_part_is_named_and_the_others_still_work(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        await w.say("c_2", "two")
        made = await w.checkpoints.create("manual")
        hashes = {part.name: part.hash for part in await w.checkpoints.parts(made.id)}
        await w.sql("update checkpoint_blobs set body = x'00' where hash = ?", hashes["c_1"])
        await w.say("c_1", "changed")
        await w.say("c_2", "changed")
        assert {"c_1": True, "c_2": False} == {p.name: p.state is None for p in await w.checkpoints.parts(made.id)}
        difference, _ = await w.checkpoints.restore(made.id)
        assert {"c_1": "damaged", "c_2": "changed"} == {each.name: each.change for each in difference.changes}
        assert ("c_2",) == difference.touched
        assert 2 == len(await w.archive.messages("c_1"))
        assert 1 == len(await w.archive.messages("c_2"))


async def test_a_blob_that_is_gone_is_stored_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        await w.checkpoints.create("manual")
        await w.sql("delete from checkpoint_blobs")
        again = await w.checkpoints.create("manual")
        assert all(part.state is not None for part in await w.checkpoints.parts(again.id))


async def test_a_damaged_blob_is_stored_again_when_a_person_makes_a_checkpoint(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("c_1", "one")
        first = await w.checkpoints.create("manual")
        await w.sql("update checkpoint_blobs set body = x'00'")
        second = await w.checkpoints.create("manual", check=True)
        for made in (first, second):
            assert all(part.state is not None for part in await w.checkpoints.parts(made.id))
        await w.sql("update checkpoint_blobs set body = x'00'")
        _, before = await w.checkpoints.restore(first.id)
        assert all(part.state is not None for part in await w.checkpoints.parts(before.id))


async def test_an_unknown_checkpoint_is_an_error(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.checkpoints.get("none") is None
        with pytest.raises(ClientError, match="not found"):
            await w.checkpoints.restore("none")


async def test_old_ones_of_thanes_own_are_pruned(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = [await w.checkpoints.create(trigger) for trigger in ("manual", "periodic", "shutdown", "periodic")]
        assert 2 == await w.checkpoints.prune(1, triggers=("periodic", "shutdown"))
        assert {made[0].id, made[3].id} == {each.id for each in await w.checkpoints.list()}
        (latest,) = await w.checkpoints.list(limit=1)
        assert [made[0].id] == [each.id for each in await w.checkpoints.list(after=latest)]


async def test_a_checkpoint_goes_to_another_machine_as_a_file(tmp_path: Path) -> None:
    async with world(tmp_path / "a") as here, world(tmp_path / "b") as there:
        await here.say("c_1", "one", "two")
        made = await here.checkpoints.create("manual", "for the new box")
        found = unpack(pack(made, await here.checkpoints.parts(made.id)), MIB)
        assert ("for the new box", ()) == (found.note, found.damaged)
        taken = await there.checkpoints.adopt("import", found.note, found.created_at, found.parts)
        await there.checkpoints.restore(taken.id)
        assert await here.everything() == await there.everything()


def _file(*names: str) -> bytes:
    parts = [Part("conversation", name, "", {"messages": [{"id": name}]}) for name in names]
    return pack(CheckpointRecord("id", AT, "manual", "", len(names), 0, 0, 0), parts)


@given(st.data())
def test_a_damaged_file_loses_no_more_than_what_is_damaged(data: st.DataObject) -> None:
    lines = bytearray(gzip.decompress(_file("c_1", "c_2", "c_3")))
    place = data.draw(st.integers(lines.index(b"\n") + 1, len(lines) - 1))
    lines[place] ^= data.draw(st.integers(1, 255))
    found = unpack(gzip.compress(bytes(lines)), MIB)
    assert {part.name for part in found.parts} <= {"c_1", "c_2", "c_3"}
    assert len(found.parts) >= 1  # the end of a line that is damaged costs the two that it parts
    assert found.damaged or len(found.parts) == 3


@given(st.binary(max_size=200))
def test_what_is_no_checkpoint_is_refused(file: bytes) -> None:
    with pytest.raises(ClientError, match="no checkpoint"):
        unpack(file, MIB)


def test_a_file_that_was_cut_keeps_its_beginning() -> None:
    whole = _file(*(f"c_{n}" for n in range(3000)))
    found = unpack(whole[: len(whole) // 2], 64 * MIB)
    assert found.parts
    assert "parts at the end" in found.damaged[-1]


def test_a_file_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(ClientError, match="import_bytes"):
        unpack(_file("c" * 10_000), 5000)
