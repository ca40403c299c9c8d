"""When checkpoints are made, and what a restore means for conversations that are live."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations import doubles
from tests.conversations.doubles import Gate, Script, assistant, turn
from thane.config.settings import Checkpoints as CheckpointSettings
from thane.config.settings import Storage
from thane.conversations.checkpointer import Checkpointer
from thane.errors import ClientError
from thane.memory.archive import Archive
from thane.storage.database import open_database
from thane.testing.clock import TrioClock

SETTINGS = CheckpointSettings(every_messages=4, least_seconds=60, keep=2)


class World:
    def __init__(self, house: doubles.Rooms, archive: Archive) -> None:
        self.house = house
        self.archive = archive
        self.checkpointer = Checkpointer(
            archive.checkpoints, SETTINGS, conversations=house.conversations, events=house.events
        )

    async def triggers(self) -> list[str]:
        return [each.trigger for each in await self.archive.checkpoints.list()]


@asynccontextmanager
async def world(folder: Path, script: Script = doubles.echo) -> AsyncGenerator[World]:
    async with open_database(folder / "thane.db", Storage()) as database:
        archive = Archive(database, TrioClock())
        async with doubles.rooms(script, archive=archive) as house:
            yield World(house, archive)


async def test_a_checkpoint_is_due_after_so_many_messages(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.checkpointer.look() is None
        await w.house.ask(turn("one"))
        assert await w.checkpointer.look() is None
        await w.house.ask(turn("two"))
        made = await w.checkpointer.look()
        assert made is not None
        assert ("periodic", 4) == (made.trigger, made.message_count)
        assert await w.checkpointer.look() is None


async def test_one_that_was_asked_for_is_made_at_the_next_look_and_old_ones_go(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.checkpointer.create("manual", "mine")
        for _ in range(3):
            w.checkpointer.soon("pre-failover")
            await w.checkpointer.look()
        assert ["pre-failover", "pre-failover", "manual"] == await w.triggers()


async def test_looks_come_again_and_again(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path) as w, trio.open_nursery() as nursery:
        nursery.start_soon(w.checkpointer.run)
        w.checkpointer.soon("pre-failover")
        while not await w.triggers():
            mock_clock.jump(SETTINGS.least_seconds)
        nursery.cancel_scope.cancel()


async def test_the_last_one_is_made_at_shutdown(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.checkpointer.at_shutdown()
        assert ["shutdown"] == await w.triggers()


async def test_a_restored_conversation_goes_on_from_where_it_was(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first = await w.house.ask(turn("one", conversation_id="c_mine", channel="api"))
        made = await w.checkpointer.create("manual")
        await w.house.ask(turn("one", assistant("You said one"), "two", conversation_id="c_mine", channel="api"))
        difference, before = await w.checkpointer.restore(made.id)
        assert (first.conversation_id,) == difference.touched
        assert [] == [name for name in w.house.loop_names() if name.startswith("api/")]
        assert ["pre-restore", "manual"] == await w.triggers()
        again = await w.house.ask(
            turn("one", assistant("You said one"), "three", conversation_id="c_mine", channel="api")
        )
        assert first.conversation_id == again.conversation_id
        said = [each.message.content for each in await w.archive.messages(first.conversation_id)]
        assert ["one", "You said one", "three", "You said three"] == said
        (data,) = [data for kind, data in w.house.events.all if kind == "checkpoint_restored"]
        assert (made.id, before.id) == (data["checkpoint_id"], data["before_id"])


async def test_a_running_turn_is_not_stopped_without_force(tmp_path: Path) -> None:
    gate = Gate()
    async with world(tmp_path, gate) as w:
        made = await w.checkpointer.create("manual")
        async with w.house.conversations.open(turn("one")) as opened:
            await wait_all_tasks_blocked()
            with pytest.raises(ClientError, match=opened.conversation_id) as caught:
                await w.checkpointer.restore(made.id)
            assert 409 == caught.value.status
            await w.checkpointer.restore(made.id, force=True)
            assert () == w.house.conversations.running()


async def test_an_unknown_checkpoint_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for call in (w.checkpointer.restore, w.checkpointer.compare):
            with pytest.raises(ClientError, match="not found"):
                await call("none")
