"""Conversations come and go by the hundred, and nothing of those that have gone stays. `just soak` does it for real."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from tests.conversations.doubles import rooms, turn
from thane.conversations.conversation import Conversation
from thane.conversations.ticket import Ticket
from thane.loops.iteration import Iteration
from thane.loops.loop import Loop

MAX_LIVE = 20
PARENTS = 3


@pytest.fixture(autouse=True)
def no_search_for_cycles() -> Iterator[None]:
    """What is only found as a cycle stays for minutes in a busy process, and looks like a leak: so it counts as one."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept(*kinds: type) -> list[str]:
    """Names of the kinds of which objects live, once for each."""
    return sorted(type(each).__name__ for each in gc.get_objects() if type(each) in kinds)


async def test_nothing_of_conversations_that_have_gone_stays(autojump_clock: MockClock) -> None:
    before = kept(Conversation, Ticket, Iteration, Loop)
    async with rooms(max_live=MAX_LIVE, idle_seconds=60.0) as thane:
        tasks, most = trio.lowlevel.current_statistics().tasks_living, 0
        for number in range(15):
            async with trio.open_nursery() as nursery:
                for one in range(20):
                    nursery.start_soon(thane.ask, turn(f"conversation {number} {one}", channel=("owu", "ha")[one % 2]))
            most = max(most, thane.conversations.statistics().live)
        assert MAX_LIVE == most
        assert 300 == len(thane.archive.stored)
        await trio.sleep(120)
        assert PARENTS == thane.loops.statistics().live
        assert tasks == trio.lowlevel.current_statistics().tasks_living
        assert () == thane.conversations.running()
        assert [*before, *["Loop"] * PARENTS] == sorted(kept(Conversation, Ticket, Iteration, Loop))
