"""Silent sessions end and are described; a model's failure costs nothing but its words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio.testing import MockClock

from tests.conversations import doubles
from tests.conversations.doubles import Script, turn
from thane.agent.context import RunContext
from thane.config.settings import Archive as ArchiveSettings
from thane.config.settings import Models, Storage
from thane.conversations.summariser import Summariser
from thane.memory.archive import Archive
from thane.memory.sessions import SessionRecord
from thane.storage.database import open_database
from thane.testing.clock import TrioClock
from thane.turn import RunFailed, RunFinished, Turn, Usage

SETTINGS = ArchiveSettings(session_idle_minutes=30, summarize_pause_seconds=0, metadata_model="small")
ANSWER = '{"title":"Lamps","paragraph":"About lamps.","tags":["lamps"],"one_liner":"Lamps."}'


class World:
    def __init__(self, house: doubles.Rooms, archive: Archive, *, able: bool) -> None:
        self.house = house
        self.archive = archive
        self.summariser = Summariser(archive.sessions, house.conversations, SETTINGS, able=lambda: able)

    async def session(self) -> SessionRecord:
        (found,) = await self.archive.sessions.list()
        return found


@asynccontextmanager
async def world(folder: Path, script: Script = doubles.echo, *, able: bool = True) -> AsyncGenerator[World]:
    async with open_database(folder / "thane.db", Storage()) as database:
        clock = TrioClock()
        clock.time()  # from now on
        archive = Archive(database, clock, SETTINGS)
        async with doubles.rooms(script, archive=archive, models=Models(default="small")) as house:
            yield World(house, archive, able=able)


async def summarise(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
    if turn.caller.task:
        assert "small" == turn.model
        return doubles.finished(context, ANSWER)
    return await doubles.echo(turn, context, send)


async def break_down(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
    if turn.caller.task:
        return RunFailed(context.run_id, "model", "It broke.", Usage(), 0.1)
    return await doubles.echo(turn, context, send)


async def test_a_session_that_goes_on_is_left_alone(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path) as w:
        await w.house.ask(turn("hello lamp"))
        assert 0 == await w.summariser.look()
        assert (await w.session()).ended_at is None


async def test_a_silent_session_ends_and_a_model_describes_it(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path, summarise) as w:
        await w.house.ask(turn("hello lamp"))
        mock_clock.jump(1801)
        assert 1 == await w.summariser.look()
        found = await w.session()
        assert ("idle_timeout", "Lamps", "About lamps.") == (found.end_reason, found.title, found.summary)
        (run, _) = await w.archive.runs()
        assert ("session_summary", "") == (run.task, run.conversation_id)
        assert 0 == await w.summariser.look()


async def test_a_failing_model_leaves_the_plain_extract(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path, break_down) as w:
        await w.house.ask(turn("hello lamp"))
        mock_clock.jump(1801)
        await w.summariser.look()
        assert "hello lamp" == (await w.session()).title


async def test_a_model_that_hangs_is_given_up(tmp_path: Path, mock_clock: MockClock) -> None:
    asked = trio.Event()

    async def hang(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
        if turn.caller.task:
            asked.set()
            await trio.sleep_forever()
        return await doubles.echo(turn, context, send)

    async with world(tmp_path, hang) as w:
        await w.house.ask(turn("hello lamp"))
        mock_clock.jump(1801)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.summariser.look)
            await asked.wait()
            mock_clock.jump(SETTINGS.summarize_timeout + 1)
        await w.house.conversations.wait_idle()  # its run is recorded after it was given up
        assert "hello lamp" == (await w.session()).title
        (run, _) = await w.archive.runs()
        assert "cancelled" == run.state


async def test_without_a_model_none_is_asked(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path, able=False) as w:
        await w.house.ask(turn("hello lamp"))
        mock_clock.jump(1801)
        await w.summariser.look()
        assert "extract" == (await w.session()).metadata["made_by"]
        assert 1 == len(await w.archive.runs())


async def test_it_looks_again_and_again(tmp_path: Path, mock_clock: MockClock) -> None:
    async with world(tmp_path) as w:
        await w.house.ask(turn("hello lamp"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.summariser.run)
            while not (await w.session()).summary:
                mock_clock.jump(SETTINGS.summarize_interval)
            nursery.cancel_scope.cancel()
