"""Memory is given back after a busy time: once, and never in it."""

from __future__ import annotations

import gc

import trio
from trio.testing import MockClock

from thane import heap


async def test_it_waits_until_nothing_goes_on_and_does_nothing_for_nothing(autojump_clock: MockClock) -> None:
    given: list[float] = []
    busy, done = True, 0

    def give_back() -> None:
        given.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: heap.keep_tidy(60, idle=lambda: not busy, done=lambda: done, give_back=give_back), name="tidy"
        )
        await trio.sleep(70)
        assert [] == given
        done = 5
        await trio.sleep(60)
        assert [] == given
        busy = False
        await trio.sleep(120)
        assert [180.0] == given
        done = 6
        await trio.sleep(300)
        assert [180.0, 300.0] == given
        nursery.cancel_scope.cancel()


def test_giving_back_frees_what_only_a_search_finds() -> None:
    class Knot:
        def __init__(self) -> None:
            self.own = self

    gc.collect()
    Knot()
    heap.give_back()
    assert [] == [each for each in gc.get_objects() if type(each) is Knot]
