from __future__ import annotations

import trio

from tests.http.dashboard.evening import evening
from tests.http.dashboard.fakes import World, live_run
from thane.http.dashboard.board import Board, announce, running_link
from thane.http.dashboard.parts import changes


async def test_the_page_has_every_part(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    await evening(world)
    page = await Board(world.rooms()).page()
    assert set(page) == {"health", "running", "legend", "tree", "tree-list", "house"}


async def test_a_house_without_a_home_has_no_devices(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    rooms = world.rooms()
    object.__setattr__(rooms, "home", None)
    assert "house" not in await Board(rooms).page()


async def test_viewers_share_a_drawing_until_something_happens(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    board = Board(world.rooms())
    first = await board.page()
    assert await board.page() is first
    world.conversation("l1", "Movie night", "api")
    world.set_state("l1", "processing")
    assert await board.page() is not first


async def test_a_state_change_touches_only_what_shows_it(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    world.conversation("l1", "Movie night", "api")
    board = Board(world.rooms())
    before = await board.page()
    world.set_state("l1", "processing")
    sent = changes(before, await board.page(), world.clock.time())
    targets = sorted(message.partition('hx-target="#')[2].partition('"')[0] for message in sent)
    assert targets == ["l-n-l1", "legend", "n-l1", "tree-edges"]


async def test_a_device_that_changes_touches_only_its_tile(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    board = Board(world.rooms())
    before = await board.page()
    await world.home.call_service("light", "turn_off", ["light.kitchen_lights"])
    sent = changes(before, await board.page(), world.clock.time())
    assert [message.partition('hx-target="#')[2].partition('"')[0] for message in sent] == [
        "tile-light-kitchen_lights",
        "house-last",
    ]


async def test_a_turn_between_two_rounds_of_its_clients_tools_is_on_the_page_and_does_not_run(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World()
    world.conversation("l1", "Movie night", "ha")
    world.conversations.runs["r_1"] = live_run("r_1", "l1", "Movie night", "ha", state="waiting")
    board = Board(world.rooms())
    page = await board.page()
    assert board.moving
    assert "run-r_1" in page["running"].items
    assert "n-r_1" in page["tree"].whole(0.0)
    assert "0 runs active" in board.announcement.shell
    assert "queued" not in board.announcement.shell


async def test_figures_that_go_on_by_themselves_are_drawn_anew_while_a_turn_runs(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World()
    board = Board(world.rooms())
    assert not board.moving
    world.conversations.runs["r_1"] = live_run("r_1", "l1", "Movie night")
    assert board.moving
    first = await board.page()
    await trio.sleep(0.5)
    assert await board.page() is first
    await trio.sleep(0.6)
    assert await board.page() is not first


async def test_the_outline_of_a_changed_device_fades(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    board = Board(world.rooms())
    await world.home.call_service("light", "turn_off", ["light.kitchen_lights"])
    page = await board.page()
    assert "changed" in page["house"].items["tile-light-kitchen_lights"]
    assert board.moving
    await trio.sleep(11)
    page = await board.page()
    assert "changed" not in page["house"].items["tile-light-kitchen_lights"]
    await trio.sleep(2)
    assert not board.moving


async def test_many_viewers_at_once_make_one_drawing(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    board = Board(world.rooms())
    pages: list[object] = []

    async def view() -> None:
        pages.append(await board.page())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(view)
    assert len({id(page) for page in pages}) == 1


async def test_a_viewer_that_is_cancelled_leaves_the_board_usable(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    board = Board(world.rooms())
    for checkpoints in range(6):
        world.bus.publish("loop", "loop_wait_start", loop_id="x", loop_name="x")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(board.page)
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
    assert "tree" in await board.page()


def test_the_announcement_says_counts() -> None:
    runs = (live_run("r_1", "l", "a"), live_run("r_2", "l", "b", state="queued"))
    assert "1 run active, 1 queued, 2 errors." in announce(runs, errors=2).whole(0.0)


def test_other_pages_link_to_what_runs() -> None:
    assert "1 running" in running_link((live_run("r_1", "l", "a"),)).whole(0.0)
    assert "<a" not in running_link(()).whole(0.0)
