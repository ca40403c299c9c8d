from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
import trio.testing

from tests.http.dashboard.fakes import World, live_run
from thane.config.settings import Dashboard, Events, Settings
from thane.http.dashboard.board import Board
from thane.http.dashboard.event_query import EventQuery
from thane.http.dashboard.live import SendText, feed_events, feed_now

NEVER = 10_000.0


class Screen:
    """A viewer that remembers what it was sent and when."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.holds: trio.Event | None = None

    async def send(self, text: str) -> None:
        if self.holds is not None:
            await self.holds.wait()
        self.messages.append((trio.current_time(), json.loads(text)))

    @property
    def content(self) -> str:
        return "".join(message.get("content", "") for _, message in self.messages)

    def clear(self) -> None:
        self.messages.clear()


@asynccontextmanager
async def watching(feed: Callable[[SendText], Awaitable[None]]) -> AsyncGenerator[Screen]:
    screen = Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed, screen.send)
        await trio.sleep(0.1)
        yield screen
        nursery.cancel_scope.cancel()


def now_page(world: World) -> Callable[[SendText], Awaitable[None]]:
    rooms = world.rooms()
    board = Board(rooms)
    return lambda send: feed_now(rooms, board, send)


def events_page(world: World, query: EventQuery | None = None, since: int = 0) -> Callable[[SendText], Awaitable[None]]:
    rooms = world.rooms()
    board = Board(rooms)
    return lambda send: feed_events(rooms, board, query or EventQuery(), since, send)


def limited(**limits: Any) -> Settings:
    return Settings(timezone="UTC", dashboard=Dashboard(**limits))


async def test_a_viewer_is_first_told_everything(autojump_clock: trio.testing.MockClock) -> None:
    async with watching(now_page(World())) as screen:
        (only,) = screen.messages
        for part in ("health", "running", "tree", "tree-list", "house", "announce", "legend"):
            assert f'<hx-partial hx-target="#{part}"' in only[1]["content"]
        assert only[1]["now"] == 1_800_000_000.0


async def test_a_change_of_state_is_told_within_a_tenth_of_a_second(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    world.conversation("l1", "Movie night", "api")
    async with watching(now_page(world)) as screen:
        await trio.sleep(5)
        screen.clear()
        changed = trio.current_time()
        world.set_state("l1", "processing")
        await trio.sleep(1)
        (at, message), *_ = screen.messages
        assert at - changed <= 0.1
        assert 'hx-target="#n-l1"' in message["content"]
        assert 'hx-target="#tree"' not in message["content"]


async def test_what_changes_together_is_told_together(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    for number in range(5):
        world.conversation(f"l{number}", "x", "api")
    async with watching(now_page(world)) as screen:
        screen.clear()
        began = trio.current_time()
        for round_ in range(100):
            world.set_state(f"l{round_ % 5}", "processing" if round_ % 2 else "waiting")
            await trio.sleep(0.01)
        assert len(screen.messages) <= (trio.current_time() - began) / 0.05 + 1


async def test_a_slow_viewer_is_told_the_newest_state_and_holds_up_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(settings=Settings(timezone="UTC", events=Events(subscriber_events=10)))
    world.conversation("l1", "Movie night", "api")
    async with watching(now_page(world)) as slow, watching(now_page(world)) as quick:
        slow.holds = trio.Event()
        for round_ in range(101):
            world.set_state("l1", "processing" if round_ % 2 else "waiting")
            await trio.sleep(0.02)
        world.set_state("l1", "error")
        await trio.sleep(1)
        assert "is-error" in quick.content
        assert world.bus.statistics().dropped == 0
        slow.clear()
        slow.holds.set()
        await trio.sleep(1)
        assert "is-error" in slow.messages[-1][1]["content"]
        assert len(slow.messages) <= 3


async def test_a_quiet_page_is_told_that_it_is_still_true(autojump_clock: trio.testing.MockClock) -> None:
    world = World(settings=limited(pulse_seconds=10.0))
    async with watching(now_page(world)) as screen:
        screen.clear()
        await trio.sleep(35)
        assert 2 <= len(screen.messages) <= 4
        assert all("content" not in message for _, message in screen.messages)


async def test_figures_of_a_running_turn_go_on(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    run = live_run("r_1", "l1", "Movie night", started_at=world.clock.time(), what="one")
    world.conversations.runs["r_1"] = run
    async with watching(now_page(world)) as screen:
        screen.clear()
        world.conversations.runs["r_1"] = msgspec.structs.replace(run, what="two")
        await trio.sleep(2.5)
        assert 'hx-target="#run-r_1"' in screen.content
        assert "two" in screen.content


async def test_a_screen_reader_is_not_told_more_than_every_two_seconds(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    async with watching(now_page(world)) as screen:
        for number in range(60):
            world.conversations.runs = {f"r_{n}": live_run(f"r_{n}", "l1", "x") for n in range(number % 3)}
            world.bus.publish("loop", "loop_wait_start", loop_id="l1", loop_name="x")
            await trio.sleep(0.1)
        assert 3 <= screen.content.count('hx-target="#announce"') <= 5


async def test_leaving_takes_the_subscription_along(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    async with watching(now_page(world)), watching(events_page(world)):
        assert world.bus.statistics().subscribers == 2
    assert world.bus.statistics().subscribers == 0


async def test_new_events_are_rows_before_the_end_mark(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    async with watching(events_page(world)) as screen:
        screen.clear()
        world.bus.publish("system", "started", version="1")
        await trio.sleep(0.2)
        message = next(message for _, message in screen.messages if message.get("rows"))
        assert message["content"].startswith('<hx-partial hx-target="#tail-end" hx-swap="beforebegin"><details')
        assert (message["rows"], message["last"]) == (1, 1)


async def test_a_viewer_that_comes_back_is_told_what_it_missed_and_nothing_twice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World()
    for _ in range(5):
        world.bus.publish("system", "started", version="1")
    async with watching(events_page(world, since=2)) as screen:
        world.bus.publish("system", "started", version="1")
        await trio.sleep(1)
        assert [f'id="e-{seq}"' in screen.content for seq in range(1, 7)] == [False, False, True, True, True, True]
        assert screen.content.count('id="e-3"') == 1


async def test_events_that_come_while_a_viewer_arrives_are_told_once(autojump_clock: trio.testing.MockClock) -> None:
    world, screen = World(), Screen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(events_page(world), screen.send)
        for _ in range(20):
            world.bus.publish("system", "started", version="1")
            await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [screen.content.count(f'id="e-{seq}"') for seq in range(1, 21)] == [1] * 20
    assert "15 minutes: 20," in screen.content


async def test_a_viewer_that_missed_much_is_shown_the_newest_and_a_gap(autojump_clock: trio.testing.MockClock) -> None:
    world = World(settings=limited(event_rows=10))
    for _ in range(30):
        world.bus.publish("system", "started", version="1")
    async with watching(events_page(world)) as screen:
        assert screen.content.count("<details") == 10
        assert "20 events skipped" in screen.content
        assert "/events/rows?after=0&amp;before=21" in screen.content


async def test_a_burst_that_a_slow_viewer_lost_is_a_row_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    world = World(settings=Settings(timezone="UTC", events=Events(subscriber_events=5)))
    async with watching(events_page(world)) as screen:
        screen.holds = trio.Event()
        for number in range(20):
            world.bus.publish("system", "started", version="1")
            if number < 3:
                await trio.sleep(0.1)
        screen.holds.set()
        await trio.sleep(1)
        assert "skipped" in screen.content
        assert screen.messages[-1][1].get("last", 20) == 20


async def test_only_selected_events_are_told(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    async with watching(events_page(world, EventQuery(sources=("home",), text="kitchen"))) as screen:
        screen.clear()
        world.bus.publish("system", "started", version="kitchen")
        await world.home.call_service("light", "turn_off", ["light.hall_light"])
        await world.home.call_service("light", "turn_off", ["light.kitchen_lights"])
        await trio.sleep(1)
        assert "Kitchen Lights: on to off" in screen.content
        assert "Hall" not in screen.content


async def test_the_histogram_goes_on_without_events(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    world.bus.publish("system", "started", version="1")
    async with watching(events_page(world)) as screen:
        screen.clear()
        await trio.sleep(30)
        assert 'hx-target="#hist"' in screen.content
