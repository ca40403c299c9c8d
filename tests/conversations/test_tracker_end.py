"""The tracker when Thane ends: it drains, and what still runs is recorded as cancelled."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import FakeArchive, Gate, rooms, turn
from thane.errors import ClientError
from thane.turn import RunFailed, Turn


async def test_draining_refuses_new_turns_and_lets_running_ones_end(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.ask, turn("running"))
        await wait_all_tasks_blocked()
        house.conversations.drain()
        with pytest.raises(ClientError) as refused:
            await house.ask(turn("new"))
        assert (503, "draining") == (refused.value.status, refused.value.code)
        with trio.move_on_after(5) as waiting:
            await house.conversations.wait_idle()
        assert waiting.cancelled_caught
        gate.open.set()
        with trio.fail_after(1):
            await house.conversations.wait_idle()
        assert ["done"] == [run.state for run in house.archive.stored.values()]


async def test_draining_waits_for_a_client_that_has_not_taken_the_whole_answer_yet(autojump_clock: MockClock) -> None:
    async with rooms() as house, house.conversations.open(turn("hello")) as opened:
        await wait_all_tasks_blocked()
        house.conversations.drain()
        assert () == house.conversations.running()
        async with trio.open_nursery() as nursery:

            async def read_slowly() -> None:
                async for _ in opened.batches:
                    await trio.sleep(3)

            nursery.start_soon(read_slowly)
            with trio.move_on_after(5) as waiting:
                await house.conversations.wait_idle()
            assert waiting.cancelled_caught
    with trio.fail_after(1):
        await house.conversations.wait_idle()


async def test_a_turn_whose_conversation_is_still_looked_for_when_draining_begins_is_refused(
    autojump_clock: MockClock,
) -> None:
    async with rooms() as house, trio.open_nursery() as nursery:
        house.archive.delay = 1

        async def drain() -> None:
            await trio.sleep(0.5)
            house.conversations.drain()

        nursery.start_soon(drain)
        with pytest.raises(ClientError, match="shutting down"):
            await house.ask(turn("hello", conversation_id="a"))
        assert [] == house.agent.turns


async def test_waiting_for_idle_returns_at_once_when_nothing_runs(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        await house.ask(turn("hello"))
        with trio.fail_after(1):
            await house.conversations.wait_idle()


async def test_leaving_the_tracker_records_every_turn_as_cancelled_by_shutdown(autojump_clock: MockClock) -> None:
    archive, finals = FakeArchive(), list[object]()
    async with trio.open_nursery() as nursery, rooms(Gate(), archive=archive) as house:

        async def ask(asked: Turn) -> None:
            finals.append((await house.ask(asked)).final)

        for _ in range(3):
            nursery.start_soon(ask, turn("hello", conversation_id="same"))
            await wait_all_tasks_blocked()
    assert ["shutdown"] * 3 == [run.cancelled_by for run in archive.stored.values()]
    assert ["cancelled"] * 3 == [final.failure for final in finals if isinstance(final, RunFailed)]
