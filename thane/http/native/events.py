"""The event stream of the native API: live over WebSocket or SSE, past events as JSON.

The WebSocket's messages are JSON objects. From Thane:

* `{"type":"hello","seq","version","sources"}` comes first; `seq` is the newest event's number.
* `{"type":"event","seq","ts","source","kind","data"}`, with `ts` in RFC 3339.
* `{"type":"dropped","count","from","to"}` stands where events could not be sent because the client was too slow, or are
  no longer kept: at most `count` that match, numbered within `from` to `to`.
* `{"type":"error","message"}` answers a message that is not understood.

To Thane:

* `{"type":"subscribe"}` replaces the filter: any of `sources`, `kinds`, `loop_id`, `conversation_id`, `run_id` (a
  string or a list each), and `since` to begin after the event of that number instead of now.
* `{"type":"replay","from","to"}` sends those once more that are kept and match, oldest first.

Numbers grow by one with each event and never repeat, but a filter leaves gaps, and so does a crash of Thane.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec
import trio
from quart import Blueprint, Response, request, websocket

from thane.errors import ClientError
from thane.events.bus import Dropped, EventBus, Subscription
from thane.events.encoding import encode_frame
from thane.events.event import Event
from thane.events.filter import SOURCES, EventFilter
from thane.events.follow import Follower, Items
from thane.http.quart_app import stream
from thane.http.rooms import Rooms

MOST = 1000  # events in one answer of the log
SSE_RETRY_MS = 2000  # how long a browser waits before it connects again

type _Names = str | tuple[str, ...]


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first message of a stream. `seq` is the newest event's number."""

    seq: int
    version: str
    sources: tuple[str, ...]


class DroppedFrame(msgspec.Struct, frozen=True, tag_field="type", tag="dropped"):
    count: int
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


class ErrorFrame(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    message: str


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """Replaces the filter. With `since`, matching events after that number come first."""

    sources: _Names = ()
    kinds: _Names = ()
    loop_id: _Names = ()
    conversation_id: _Names = ()
    run_id: _Names = ()
    since: int | None = None


class Replay(msgspec.Struct, frozen=True, tag_field="type", tag="replay"):
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


class LogPage(msgspec.Struct, frozen=True):
    """`first_seq` is the oldest number that is kept, `last_seq` the newest that was given."""

    events: tuple[msgspec.Raw, ...]
    count: int
    first_seq: int
    last_seq: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Subscribe | Replay).decode


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/events` (WebSocket and SSE), `/ws/events` and `/v1/events/log`."""
    blueprint = Blueprint("events", __name__)
    bus, settings = rooms.bus, rooms.settings

    def hello() -> Hello:
        return Hello(bus.last_seq, rooms.version.version, SOURCES)

    @blueprint.websocket("/v1/events")
    @blueprint.websocket("/ws/events")
    async def follow() -> None:
        """Live events; the messages are in [events.md](events.md). Query: `source`, `kind`, `loop_id`,
        `conversation_id`, `run_id` (repeated or comma separated) select; `since` first sends what came after the event
        of that number."""
        query = websocket.args.to_dict(flat=False)
        wanted, since = EventFilter.from_query(query), _number(query, "since")
        await websocket.accept()
        with bus.subscribe(wanted) as subscription:
            await _Socket(bus, subscription, since).run(hello())

    @blueprint.get("/v1/events")
    async def follow_sse() -> Response:
        """Live events as `text/event-stream`: `event:` is the source, `id:` the number, `data:` the same object as on
        the WebSocket. A stream begins with an event `hello`; `dropped` tells of events that could not be sent (read
        them from `/v1/events/log`). Query as for the WebSocket; the header `Last-Event-ID` goes before `since`. A
        comment comes every `events.ping_seconds` while nothing happens."""
        query = request.args.to_dict(flat=False)
        if (last := request.headers.get("Last-Event-ID")) is not None:
            query["since"] = [last]
        pieces = _server_sent(
            bus, hello(), EventFilter.from_query(query), _number(query, "since"), settings.events.ping_seconds
        )
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return await stream(pieces, content_type="text/event-stream", headers=headers)

    @blueprint.get("/v1/events/log")
    async def log() -> Response:
        """Past events, oldest first: `{"events","count","first_seq","last_seq"}`. With `since`, the first `limit` after
        that number; otherwise the newest `limit`, or the newest before `before`. `limit` is 100, at most 1000; further
        query as for the stream."""
        query = request.args.to_dict(flat=False)
        wanted, since, before = EventFilter.from_query(query), _number(query, "since"), _number(query, "before")
        limit = _number(query, "limit")
        limit = 100 if limit is None else min(limit, MOST)
        if since is None:
            events = await bus.latest(wanted, limit, before=before)
        else:
            events = await bus.replay(since, wanted, limit)
            events = tuple(event for event in events if before is None or event.seq < before)
        found = tuple(msgspec.Raw(encode_frame(event)) for event in events)
        page = LogPage(found, len(found), await bus.first_seq(), bus.last_seq)
        return Response(_encode(page), content_type="application/json; charset=utf-8")

    return blueprint


def _number(query: Mapping[str, Sequence[str]], name: str) -> int | None:
    """A whole number from a query, given at most once."""
    values = query.get(name, ())
    if not any(values):
        return None
    value = values[0]
    if len(values) > 1 or not value.isascii() or not value.isdigit() or len(value) > 18:
        raise ClientError(f"{name}: give one whole number, not '{', '.join(values)}'")
    return int(value)


class _Socket:
    """One WebSocket: events go out, wishes come in. Cancelled when the client goes."""

    def __init__(self, bus: EventBus, subscription: Subscription, since: int | None) -> None:
        self._follower = Follower(bus, subscription, since)

    async def run(self, hello: Hello) -> None:
        await _send(_encode(hello))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_events)
            while True:
                await self._handle(await websocket.receive())

    async def _send_events(self) -> None:
        while True:
            for item in await self._follower.receive():
                await _send(_frame(item))

    async def _handle(self, message: str | bytes) -> None:
        try:
            wish: Subscribe | Replay = _decode(message)
            if isinstance(wish, Replay):
                self._follower.again(wish.first, wish.last)
            else:
                self._follower.restart(EventFilter.from_query(msgspec.structs.asdict(wish)), wish.since)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ClientError) as error:
            await _send(_encode(ErrorFrame(str(error))))


async def _send(message: bytes) -> None:
    await websocket.send(message.decode())  # text, as browsers read it; the server writes a message as a whole


async def _server_sent(
    bus: EventBus, hello: Hello, wanted: EventFilter, since: int | None, ping_seconds: float
) -> AsyncGenerator[bytes]:
    with bus.subscribe(wanted) as subscription:
        follower = Follower(bus, subscription, since)
        piece = b"retry: %d\n%b" % (SSE_RETRY_MS, _block("hello", _encode(hello)))
        while True:
            yield piece  # noqa: ASYNC119 - `stream` closes this generator when the client goes
            items: Items = ()
            with trio.move_on_after(ping_seconds):
                items = await follower.receive()
            piece = b"".join(map(_server_sent_item, items)) or b": nothing new\n\n"


def _server_sent_item(item: Event | Dropped) -> bytes:
    if isinstance(item, Dropped):
        return _block("dropped", _frame(item))  # without an id: a client that comes back is given another chance
    return _block(item.source, _frame(item), item.seq)


def _block(event: str, data: bytes, number: int | None = None) -> bytes:
    """One event as https://html.spec.whatwg.org/multipage/server-sent-events.html has it; JSON has no line breaks."""
    head = b"" if number is None else b"id: %d\n" % number
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), data)


def _frame(item: Event | Dropped) -> bytes:
    if isinstance(item, Dropped):
        return _encode(DroppedFrame(item.count, item.first, item.last))
    return encode_frame(item)
