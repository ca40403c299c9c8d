"""Following without a gap or a repetition: from the past, live, with drops, with changes of mind."""

from __future__ import annotations

from typing import Any, override

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.events.taking import Items, ready
from thane.config.settings import Events
from thane.errors import ClientError
from thane.events import follow
from thane.events.bus import Dropped, EventBus
from thane.events.event import Event
from thane.events.filter import EVERYTHING, EventFilter
from thane.events.follow import Follower
from thane.testing.clock import TrioClock

TOOLS = EventFilter(kinds=frozenset({"tool_call"}))


def bus(**events: Any) -> EventBus:
    return EventBus(Events(**events), TrioClock())


def tell(bus_: EventBus, number: int = 1, kind: str = "llm_call") -> None:
    for _ in range(number):
        bus_.publish("agent", kind)


async def rest(follower: Follower) -> list[int | Dropped]:
    """All that there is now: numbers of events, and drops."""
    found: list[int | Dropped] = []
    while items := await ready(follower):
        found += plain(items)
    return found


def plain(items: Items) -> list[int | Dropped]:
    return [item.seq if isinstance(item, Event) else item for item in items]


async def test_without_a_beginning_it_starts_now(autojump_clock: MockClock) -> None:
    house = bus()
    tell(house, 3)
    with house.subscribe() as subscription:
        follower = Follower(house, subscription)
        assert [] == await rest(follower)
        tell(house, 2)
        assert [4, 5] == await rest(follower)


async def test_the_past_comes_first_then_what_happened_meanwhile(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PAGE", 4)
    house = bus()
    tell(house, 10)
    with house.subscribe() as subscription:
        tell(house, 2)
        follower = Follower(house, subscription, 3)
        tell(house, 3)
        first = await follower.receive()
        assert [4, 5, 6, 7] == [item.seq for item in first if isinstance(item, Event)]
        tell(house, 3)
        assert list(range(8, 19)) == await rest(follower)
        tell(house)
        assert [19] == await rest(follower)


async def test_what_was_dropped_while_catching_up_is_read_from_the_past(autojump_clock: MockClock) -> None:
    house = bus()
    tell(house, 5)
    with house.subscribe(buffer=2) as subscription:
        follower = Follower(house, subscription, 0)
        tell(house, 20)
        assert list(range(1, 26)) == await rest(follower)
        tell(house, 4)
        assert [26, 27, Dropped(2, 28, 29)] == await rest(follower)


async def test_what_is_not_kept_any_more_is_told_as_dropped(autojump_clock: MockClock) -> None:
    house = bus(ring_events=3)
    tell(house, 10)
    with house.subscribe() as subscription:
        assert [Dropped(5, 3, 7), 8, 9, 10] == await rest(Follower(house, subscription, 2))


async def test_a_drop_that_was_read_from_the_past_in_part_is_told_for_the_rest(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe(buffer=1) as subscription:
        follower = Follower(house, subscription)
        tell(house, 5)
        follower.restart(EVERYTHING, 3)
        tell(house, 5)
        assert list(range(4, 11)) == await rest(follower)
        tell(house, 3)
        follower.restart(EVERYTHING)
        tell(house, 3)
        assert [Dropped(3, 14, 16)] == await rest(follower)


@pytest.mark.parametrize(("since", "expected"), [(99, []), (-5, [1, 2, 3]), (3, []), (0, [1, 2, 3])])
async def test_a_beginning_out_of_range_is_the_nearest(
    since: int, expected: list[int], autojump_clock: MockClock
) -> None:
    house = bus()
    tell(house, 3)
    with house.subscribe() as subscription:
        follower = Follower(house, subscription, since)
        assert expected == await rest(follower)
        tell(house)
        assert [4] == await rest(follower)


async def test_a_restart_wakes_who_waits_and_shows_the_past(autojump_clock: MockClock) -> None:
    house = bus()
    tell(house, 2, "tool_call")
    with house.subscribe() as subscription:
        follower = Follower(house, subscription)
        got: list[int] = []

        async def read() -> None:
            got.extend(item.seq for item in await follower.receive() if isinstance(item, Event))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            tell(house)
            follower.restart(TOOLS, 0)
        assert [1, 2] == got


class SlowBus(EventBus):
    """Its past takes until `there` is set."""

    there: trio.Event

    @override
    async def replay(self, since: int, filter: EventFilter, limit: int = 1000) -> tuple[Event, ...]:
        found = await super().replay(since, filter, limit)
        await self.there.wait()
        return found


async def test_a_restart_while_the_past_is_read_forgets_what_was_read(autojump_clock: MockClock) -> None:
    house = SlowBus(Events(), TrioClock())
    house.there = trio.Event()
    tell(house, 3)
    tell(house, 1, "tool_call")
    with house.subscribe() as subscription:
        follower = Follower(house, subscription, 0)
        got: list[int | Dropped] = []

        async def read() -> None:
            got.extend(plain(await follower.receive()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            follower.restart(TOOLS, 1)
            house.there.set()
        assert [4] == got


async def test_a_restart_forgets_what_waited_under_the_old_filter(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe() as subscription:
        follower = Follower(house, subscription)
        tell(house, 3)
        follower.restart(TOOLS)
        tell(house)
        tell(house, 1, "tool_call")
        assert [5] == await rest(follower)


async def test_again_sends_a_range_once_more_and_then_goes_on(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe() as subscription:
        follower = Follower(house, subscription)
        tell(house, 6)
        assert [1, 2, 3, 4, 5, 6] == await rest(follower)
        follower.again(2, 4)
        with pytest.raises(ClientError, match="still being sent"):
            follower.again(2, 4)
        tell(house)
        assert [2, 3, 4, 7] == await rest(follower)
        follower.again(6, 1000)
        assert [6, 7] == await rest(follower)
        follower.again(5, 2)
        follower_was_free = await rest(follower)
        assert [] == follower_was_free
        follower.again(-3, 1)
        assert [1] == await rest(follower)


async def test_again_tells_what_is_gone(autojump_clock: MockClock) -> None:
    house = bus(ring_events=3)
    with house.subscribe() as subscription:
        follower = Follower(house, subscription)
        tell(house, 10)
        assert list(range(1, 11)) == await rest(follower)
        follower.again(2, 5)
        assert [Dropped(4, 2, 5)] == await rest(follower)
        follower.again(6, 9)
        assert [Dropped(2, 6, 7), 8, 9] == await rest(follower)


@given(
    st.lists(st.sampled_from(["llm_call", "tool_call", "receive", "since", "now"]), max_size=40),
    st.integers(1, 5),
    st.integers(0, 30),
)
@settings(deadline=None)
async def test_nothing_is_repeated_or_silently_missing_whatever_happens(
    todo: list[str], buffer: int, since: int
) -> None:
    house = bus(ring_events=1000)
    tell(house, 20)
    with house.subscribe(TOOLS, buffer=buffer) as subscription:
        follower = Follower(house, subscription, since)
        begin, wanted = min(since, house.last_seq), TOOLS
        seen: list[int | Dropped] = []
        for action in [*todo, "receive"]:
            if action == "receive":
                seen += plain(await ready(follower))
            elif action in {"since", "now"}:
                wanted = EVERYTHING if wanted is TOOLS else TOOLS
                begin, seen = (since, []) if action == "since" else (house.last_seq, [])
                begin = min(begin, house.last_seq)
                follower.restart(wanted, since if action == "since" else None)
            else:
                tell(house, 1, action)
        seen += await rest(follower)
    expected = [event.seq for event in await house.replay(begin, wanted)]
    rebuilt: list[int] = []
    for item in seen:
        rebuilt += [item] if isinstance(item, int) else [seq for seq in expected if item.first <= seq <= item.last]
    assert expected == rebuilt
