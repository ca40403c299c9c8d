"""Following the event stream of a running Thane without a gap: over lost connections and drop notices.

`Cursor` decides and knows no network; `follow` connects, waits and connects again. The connection itself is in
`thane.cli.connection`, what an event looks like on a screen in `thane.cli.lines`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn, Protocol

import msgspec
import trio
from trio_websocket import ConnectionClosed

from thane.backoff import pause
from thane.errors import DependencyError

HEARTBEAT_SECONDS = 20.0
"""Pause between two pings, and the longest wait for their answer: then the connection is given up as lost."""
BACKOFF_INITIAL_SECONDS = 0.25
BACKOFF_MAX_SECONDS = 10.0


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first frame of a connection. `seq` is that of the newest event there is."""

    seq: int


class EventFrame(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """`ts` is RFC 3339."""

    seq: int
    ts: str
    source: str
    kind: str
    data: dict[str, Any]


class DroppedFrame(msgspec.Struct, frozen=True, tag_field="type", tag="dropped"):
    """`count` events from number `first` to `last` were not sent, because they were taken too slowly."""

    count: int
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


type Frame = Hello | EventFrame | DroppedFrame


class _AnyFrame(msgspec.Struct):
    type: str


class Notice(msgspec.Struct, frozen=True):
    """A sentence about the stream itself; `reconnect` when the connection is to be made anew at once."""

    text: str
    reconnect: bool = False


_KNOWN = {"hello", "event", "dropped"}
_decode_head = msgspec.json.Decoder(_AnyFrame).decode
_decode = msgspec.json.Decoder(Frame).decode


def decode(message: str | bytes) -> Frame | None:
    """The frame in a message; None for a kind of frame that this version does not know."""
    return _decode(message) if _decode_head(message).type in _KNOWN else None


class Cursor:
    """Where in the numbered events the follower is.

    `since` is the number of the last event that was shown or is known to be gone; None until the first connection, when
    only what happens from then on is wanted.
    """

    def __init__(self, since: int | None = None) -> None:
        self.since = since
        self._fetched_again = -1  # value of `since` at which dropped events were asked for a second time

    def take(self, frame: Frame) -> EventFrame | Notice | None:
        """What to do with a frame: show an event, say and do something, or nothing."""
        if isinstance(frame, Hello):
            return self._begin(frame)
        if isinstance(frame, DroppedFrame):
            return self._skip(frame)
        if self.since is not None and frame.seq <= self.since:
            return None  # sent again after a reconnection
        self.since = frame.seq
        return frame

    def _begin(self, hello: Hello) -> Notice | None:
        if self.since is None:
            self.since = hello.seq
        elif hello.seq < self.since:
            self.since = 0
            return Notice(f"The newest event is number {hello.seq}: the numbers begin anew.", reconnect=True)
        return None

    def _skip(self, dropped: DroppedFrame) -> Notice | None:
        since = self.since or 0
        if dropped.last <= since:
            return None
        events = "1 event" if dropped.count == 1 else f"{dropped.count} events"
        if self._fetched_again == since:  # they were asked for already: they are no longer kept
            self.since = dropped.last
            return Notice(f"{events} ({dropped.first} to {dropped.last}) are gone for good.")
        self._fetched_again = since
        return Notice(
            f"{events} ({dropped.first} to {dropped.last}) were dropped; fetching them again.", reconnect=True
        )


class Messages(Protocol):
    """The part of a WebSocket connection that is used."""

    async def get_message(self) -> str | bytes:
        """The next message. Raises ConnectionClosed."""
        ...

    async def ping(self) -> None:
        """Wait for the other side to answer. Raises ConnectionClosed."""
        ...


type Connect = Callable[[int | None], AbstractAsyncContextManager[Messages]]
"""Opens the stream from after the event of a number, or from now on.

Raises DependencyError: temporary when trying again may help.
"""


async def follow(
    connect: Connect,
    cursor: Cursor,
    show: Callable[[EventFrame], object],
    say: Callable[[str], object],
    source: random.Random,
) -> NoReturn:
    """Call `show` for each event, in order and once, and `say` for each sentence about the connection.

    Does not end but by cancellation, or by a DependencyError that trying again does not mend.
    """
    failures = 0
    while True:
        try:
            async with connect(cursor.since) as connection:
                frame = await _receive(connection)
                if failures:
                    say("Connected again.")
                    failures = 0
                while _handle(cursor.take(frame), show, say):
                    frame = await _receive(connection)
        except DependencyError as error:
            if not error.temporary:
                raise
            failures += 1
            if failures == 1:
                say(f"{error}; trying again.")
            await trio.sleep(
                pause(failures, initial=BACKOFF_INITIAL_SECONDS, maximum=BACKOFF_MAX_SECONDS, jitter=0.1, source=source)
            )


def _handle(
    what: EventFrame | Notice | None, show: Callable[[EventFrame], object], say: Callable[[str], object]
) -> bool:
    """Show or say it; False when the connection is to be made anew."""
    if isinstance(what, EventFrame):
        show(what)
    elif what is not None:
        say(what.text)
        return not what.reconnect
    return True


async def _receive(connection: Messages) -> Frame:
    """The next frame of a known kind. Raises DependencyError when the connection ended, or answers no ping."""
    while True:
        try:
            with trio.move_on_after(HEARTBEAT_SECONDS) as silence:
                frame = decode(await connection.get_message())
                if frame is not None:
                    return frame
            if silence.cancelled_caught:
                with trio.fail_after(HEARTBEAT_SECONDS):
                    await connection.ping()
        except (ConnectionClosed, trio.TooSlowError) as error:
            raise DependencyError("The connection was lost", dependency="thane") from error
        except msgspec.DecodeError as error:
            raise DependencyError(
                f"what came is no event of Thane's ({error})", dependency="thane", temporary=False
            ) from error
