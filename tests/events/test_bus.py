"""Publishing, subscribing, dropping and replaying, in memory."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.events.taking import ready
from thane.config.settings import Events
from thane.events.bus import Dropped, EventBus
from thane.events.event import Event
from thane.events.filter import EVERYTHING, EventFilter
from thane.testing.clock import TrioClock


def bus(**events: Any) -> EventBus:
    return EventBus(Events(**events), TrioClock())


def tell(bus_: EventBus, number: int = 1, kind: str = "llm_call", **data: object) -> None:
    for _ in range(number):
        bus_.publish("agent", kind, **data)


def seqs(items: tuple[Event | Dropped, ...]) -> list[int]:
    assert all(isinstance(item, Event) for item in items)
    return [item.seq for item in items if isinstance(item, Event)]


async def test_everyone_who_watches_is_told_in_order(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe() as first, house.subscribe() as second:
        house.publish("home", "state_changed", entity_id="light.kitchen", new_state="on")
        await trio.sleep(1)
        tell(house)
        for subscription in (first, second):
            one, two = await subscription.receive()
            assert isinstance(one, Event)
            assert isinstance(two, Event)
            assert (1, "home", "state_changed") == (one.seq, one.source, one.kind)
            assert {"entity_id": "light.kitchen", "new_state": "on"} == one.data
            assert (2, 1) == (two.seq, two.ts - one.ts)


async def test_receive_waits_for_the_next_event(autojump_clock: MockClock) -> None:
    house = bus()
    got: list[int] = []
    with house.subscribe() as subscription:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                got.extend(seqs(await subscription.receive()))

            nursery.start_soon(watch)
            await wait_all_tasks_blocked()
            assert [] == got
            tell(house, 3)  # all that is ready when the reader comes to run
        assert [1, 2, 3] == got


async def test_a_cancelled_receive_loses_nothing(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe() as subscription:
        for event_comes_first in (True, False):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(subscription.receive)
                    await wait_all_tasks_blocked()
                    if not event_comes_first:
                        scope.cancel()
                        tell(house)
                    else:
                        scope.cancel()
            if event_comes_first:
                tell(house)
            assert 1 == len(await ready(subscription))


async def test_whoever_left_is_told_nothing(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe() as subscription:
        assert 1 == house.statistics().subscribers
    tell(house)
    assert () == await ready(subscription)
    assert 0 == house.statistics().subscribers


def test_subscribing_without_entering_leaves_no_trace() -> None:
    house = bus()
    house.subscribe()
    assert 0 == house.statistics().subscribers


async def test_a_subscriber_sees_only_what_it_wants(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe(EventFilter(kinds=frozenset({"tool_call"}))) as subscription:
        tell(house)
        tell(house, kind="tool_call")
        assert [2] == seqs(await subscription.receive())
        subscription.filter = EVERYTHING
        tell(house)
        assert [3] == seqs(await subscription.receive())


async def test_a_slow_subscriber_is_told_how_many_it_missed_and_which_where_they_are_missing(
    autojump_clock: MockClock,
) -> None:
    house = bus(subscriber_events=3)
    with house.subscribe() as slow, house.subscribe(buffer=100) as quick:
        tell(house, 10)
        first = await slow.receive()
        assert [1, 2, 3] == seqs(first[:-1])
        assert Dropped(7, 4, 10) == first[-1]
        tell(house, 2)
        assert [11, 12] == seqs(await slow.receive())
        assert list(range(1, 13)) == seqs(await quick.receive())
        assert 7 == house.statistics().dropped
        assert list(range(4, 11)) == seqs(await house.replay(3, EVERYTHING, 7))


async def test_only_what_matches_counts_as_dropped(autojump_clock: MockClock) -> None:
    house = bus()
    with house.subscribe(EventFilter(kinds=frozenset({"tool_call"})), buffer=1) as subscription:
        for _ in range(3):
            tell(house, kind="tool_call")
            tell(house, 2)
        event, dropped = await subscription.receive()
        assert isinstance(event, Event)
        assert (1, Dropped(2, 4, 7)) == (event.seq, dropped)


async def test_a_subscriber_that_hangs_costs_no_more_than_its_buffer(autojump_clock: MockClock) -> None:
    house = bus(subscriber_events=10, ring_events=10)
    with house.subscribe() as hanging:
        tell(house, 100_000)
        assert 11 == len(await hanging.receive())
        assert 10 == house.statistics().in_memory


def test_an_unknown_kind_is_our_bug() -> None:
    house = bus()
    with pytest.raises(KeyError, match="agent events have no kind state_changed"):
        house.publish("agent", "state_changed")
    assert 0 == house.last_seq


async def test_in_service_an_unknown_kind_is_logged_and_told_all_the_same(autojump_clock: MockClock) -> None:
    house = EventBus(Events(), TrioClock(), strict=False)
    with structlog.testing.capture_logs() as logs, house.subscribe() as subscription:
        tell(house, kind="misspelt")
        assert [1] == seqs(await subscription.receive())
    assert [("agent", "misspelt")] == [(line["source"], line["kind"]) for line in logs]


async def test_replay_gives_what_is_in_memory(autojump_clock: MockClock) -> None:
    house = bus(ring_events=10)
    assert (1, 1) == (house.first_in_memory, await house.first_seq())
    tell(house, 15)
    assert (6, 6) == (house.first_in_memory, await house.first_seq())
    assert list(range(6, 16)) == seqs(await house.replay(0, EVERYTHING))
    assert [14, 15] == seqs(await house.replay(13, EVERYTHING))
    assert [10, 11] == seqs(await house.replay(9, EVERYTHING, 2))
    assert [] == seqs(await house.replay(15, EVERYTHING))
    assert [] == seqs(await house.replay(99, EVERYTHING))
    tell(house, kind="tool_call")
    assert [16] == seqs(await house.replay(0, EventFilter(kinds=frozenset({"tool_call"}))))


async def test_latest_gives_the_newest_that_match(autojump_clock: MockClock) -> None:
    house = bus(ring_events=10)
    assert () == await house.latest(EVERYTHING)
    tell(house, 15)
    assert [14, 15] == seqs(await house.latest(EVERYTHING, 2))
    assert [12, 13] == seqs(await house.latest(EVERYTHING, 2, before=14))
    assert list(range(6, 16)) == seqs(await house.latest(EVERYTHING))
    assert () == await house.latest(EventFilter(run_id="r_9"))


async def test_to_subscribe_and_replay_up_to_then_misses_and_repeats_nothing(autojump_clock: MockClock) -> None:
    house = bus()
    tell(house, 5)
    with house.subscribe() as subscription:
        tell(house, 5)
        past = [event for event in await house.replay(0, EVERYTHING) if event.seq <= subscription.since]
        assert list(range(1, 11)) == [*seqs(tuple(past)), *seqs(await subscription.receive())]


kinds = st.sampled_from(["llm_call", "llm_response", "tool_call"])
actions = st.lists(st.one_of(kinds, st.just("receive")), max_size=60)


@given(actions, st.integers(1, 8), st.sampled_from([EVERYTHING, EventFilter(kinds=frozenset({"tool_call"}))]))
@settings(deadline=None)
async def test_what_is_received_and_what_is_told_as_dropped_is_exactly_what_matched(
    todo: list[str], buffer: int, wanted: EventFilter
) -> None:
    house = bus(ring_events=1000)
    stream: list[Event | Dropped] = []
    with house.subscribe(wanted, buffer=buffer) as subscription:
        for action in [*todo, "receive"]:
            if action == "receive":
                stream += await ready(subscription)
            else:
                tell(house, kind=action)
    matched = seqs(await house.replay(0, wanted))
    rebuilt: list[int] = []
    for item in stream:
        if isinstance(item, Event):
            rebuilt.append(item.seq)
        else:
            lost = [seq for seq in matched if item.first <= seq <= item.last]
            assert (item.count, item.first, item.last) == (len(lost), lost[0], lost[-1])
            rebuilt += lost
    assert matched == rebuilt
    assert house.statistics().dropped == sum(item.count for item in stream if isinstance(item, Dropped))
