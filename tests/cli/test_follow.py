from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed

from thane.cli.follow import Connect, Cursor, DroppedFrame, EventFrame, Hello, Messages, Notice, decode, follow
from thane.errors import DependencyError


def event(seq: int) -> EventFrame:
    return EventFrame(seq, "1970-01-01T00:00:00Z", "system", "started", {})


def test_frames_of_the_protocol_are_read_and_unknown_kinds_passed_over() -> None:
    assert Hello(7) == decode('{"type":"hello","seq":7,"version":"1","sources":["agent"]}')
    expected = EventFrame(8, "1970-01-01T00:00:01.5Z", "agent", "tool_call", {"tool": "x"})
    assert expected == decode(
        '{"type":"event","seq":8,"ts":"1970-01-01T00:00:01.5Z","source":"agent","kind":"tool_call","data":{"tool":"x"}}'
    )
    assert DroppedFrame(3, 9, 11) == decode('{"type":"dropped","count":3,"from":9,"to":11}')
    assert decode('{"type":"weather","seq":"high"}') is None


def test_without_a_beginning_the_cursor_starts_at_the_newest_event() -> None:
    cursor = Cursor()
    assert cursor.take(Hello(41)) is None
    assert cursor.since == 41


def test_an_event_that_is_sent_again_is_shown_once() -> None:
    cursor = Cursor()
    cursor.take(Hello(4))
    assert event(5) == cursor.take(event(5))
    assert cursor.take(event(5)) is None
    assert event(6) == cursor.take(event(6))


def test_dropped_events_are_asked_for_again_once_and_then_given_up() -> None:
    cursor = Cursor(10)
    first = cursor.take(DroppedFrame(5, 11, 15))
    assert first == Notice("5 events (11 to 15) were dropped; fetching them again.", reconnect=True)
    assert cursor.since == 10  # so that the next connection replays them
    second = cursor.take(DroppedFrame(5, 11, 15))
    assert second == Notice("5 events (11 to 15) are gone for good.")
    assert event(16) == cursor.take(event(16))


def test_a_drop_of_events_that_were_shown_before_is_not_told() -> None:
    cursor = Cursor(10)
    assert cursor.take(DroppedFrame(2, 9, 10)) is None


def test_numbers_that_begin_anew_are_followed_from_the_oldest() -> None:
    cursor = Cursor(1000)
    notice = cursor.take(Hello(3))
    assert isinstance(notice, Notice)
    assert notice.reconnect
    assert cursor.since == 0


class Line:
    """A connection that gives its messages, then does what `end` says."""

    def __init__(self, messages: list[object], end: str) -> None:
        self._messages = [m if isinstance(m, str) else msgspec.json.encode(m).decode() for m in messages]
        self._end = end
        self.pings = 0

    async def get_message(self) -> str:
        await trio.lowlevel.checkpoint()
        if self._messages:
            return self._messages.pop(0)
        if self._end == "closed":
            raise ConnectionClosed(None)
        await trio.sleep_forever()
        raise AssertionError

    async def ping(self) -> None:
        self.pings += 1
        if self._end == "dead":
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()


class Server:
    """Gives one prepared connection after the other, or raises; remembers what was asked for and when."""

    def __init__(self, *lines: Line | Exception) -> None:
        self._lines = list(lines)
        self.asked: list[int | None] = []
        self.times: list[float] = []
        self.open = 0

    @property
    def connect(self) -> Connect:
        @asynccontextmanager
        async def connect(since: int | None) -> AsyncGenerator[Messages]:
            self.asked.append(since)
            self.times.append(trio.current_time())
            line = self._lines.pop(0)
            if isinstance(line, Exception):
                raise line
            self.open += 1
            try:
                yield line
            finally:
                self.open -= 1

        return connect


class Screen:
    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.said: list[str] = []

    def show(self, event: EventFrame) -> None:
        self.seqs.append(event.seq)


async def watch(server: Server, cursor: Cursor | None = None, seconds: float = 600) -> Screen:
    screen = Screen()
    with trio.move_on_after(seconds):
        await follow(server.connect, cursor or Cursor(), screen.show, screen.said.append, random.Random(1))
    return screen


async def test_after_a_lost_connection_it_goes_on_where_it_was(autojump_clock: trio.testing.MockClock) -> None:
    server = Server(
        Line([Hello(7), event(8), event(9)], "closed"),
        DependencyError("no answer", dependency="thane"),
        Line([Hello(12), event(9), event(10), event(11), event(12)], "quiet"),
    )
    screen = await watch(server)
    assert [8, 9, 10, 11, 12] == screen.seqs
    assert [None, 9, 9] == server.asked
    assert ["The connection was lost; trying again.", "Connected again."] == screen.said
    assert server.open == 0


async def test_the_pauses_grow_while_there_is_no_answer(autojump_clock: trio.testing.MockClock) -> None:
    server = Server(*(DependencyError("no answer", dependency="thane") for _ in range(100)))
    screen = await watch(server, seconds=100)
    gaps = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert gaps[0] < 0.26
    assert 9 <= gaps[-1] <= 10
    assert ["no answer; trying again."] == screen.said


async def test_what_trying_again_does_not_mend_is_raised() -> None:
    server = Server(DependencyError("it wants a key", dependency="thane", temporary=False))
    with pytest.raises(DependencyError, match="it wants a key"):
        await watch(server)
    assert [None] == server.asked


async def test_a_peer_that_is_not_thane_is_told_plainly() -> None:
    with pytest.raises(DependencyError, match="no event of Thane's"):
        await watch(Server(Line(["<html>"], "quiet")))


async def test_dropped_events_are_fetched_by_a_new_connection(autojump_clock: trio.testing.MockClock) -> None:
    server = Server(
        Line([Hello(1), event(2), DroppedFrame(2, 3, 4), event(5)], "quiet"),
        Line([Hello(5), event(3), event(4), event(5), event(6)], "quiet"),
    )
    screen = await watch(server)
    assert [2, 3, 4, 5, 6] == screen.seqs
    assert [None, 2] == server.asked
    assert ["2 events (3 to 4) were dropped; fetching them again."] == screen.said


async def test_a_silent_connection_that_answers_pings_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    quiet = Line([Hello(1)], "quiet")
    server = Server(quiet)
    await watch(server, seconds=100)
    assert [None] == server.asked
    assert quiet.pings == 4


async def test_a_silent_connection_that_answers_no_ping_is_made_anew(autojump_clock: trio.testing.MockClock) -> None:
    server = Server(Line([Hello(1)], "dead"), Line([Hello(1), event(2)], "quiet"))
    screen = await watch(server, seconds=100)
    assert [None, 1] == server.asked
    assert [2] == screen.seqs


@pytest.mark.parametrize("seconds", [0.0, 0.1, 5.0, 25.0, 45.0])
async def test_cancelled_anywhere_it_leaves_no_connection_open(
    autojump_clock: trio.testing.MockClock, seconds: float
) -> None:
    server = Server(
        DependencyError("no answer", dependency="thane"),
        Line([Hello(1), event(2)], "closed"),
        Line([Hello(2)], "dead"),
        *(Line([Hello(2)], "quiet") for _ in range(9)),
    )
    await watch(server, seconds=seconds)
    assert server.open == 0
