"""Loops over the native API: their status, stopping one, and the reference's live stream of them (REFERENCE 5.4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
import trio
from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.events.bus import Dropped, EventBus
from thane.events.event import Event
from thane.events.filter import EventFilter
from thane.http.native.answers import answer
from thane.http.native.runs import asked_by
from thane.http.quart_app import stream
from thane.http.rooms import Rooms
from thane.loops.registry import LoopRegistry
from thane.loops.status import LoopStatus

_LOOPS = EventFilter(sources=frozenset({"loop"}))
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_encode = msgspec.json.Encoder().encode


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/loops`, `/v1/loops/{id}` and `/v1/loops/events`, with the reference's paths under `/api` as aliases."""
    blueprint = Blueprint("loops", __name__)
    loops, bus, ping_seconds = rooms.loops, rooms.bus, rooms.settings.events.ping_seconds

    @blueprint.get("/v1/loops")
    @blueprint.get("/api/loops")
    async def statuses() -> Response:
        """Every living loop as a list, by name; of two that have the same, the older one first."""
        return answer(_by_name(loops))

    @blueprint.get("/v1/loops/events")
    @blueprint.get("/api/loops/events")
    async def follow() -> Response:
        """`text/event-stream`: an event `snapshot` with the list of `/v1/loops`, then an event `loop` for each thing
        that happens after it, `{"kind","ts","data","seq"}`. A client that was too slow gets a new snapshot in place of
        what it missed. A comment comes every `events.ping_seconds` while nothing happens."""
        pieces = _follow(bus, loops, ping_seconds)
        return await stream(pieces, content_type="text/event-stream", headers=_HEADERS)

    @blueprint.get("/v1/loops/<loop_id>")
    async def status(loop_id: str) -> Response:
        """One loop."""
        loop = loops.get(loop_id)
        if loop is None:
            raise _unknown()
        return answer(loop.status())

    @blueprint.delete("/v1/loops/<loop_id>")
    async def stop(loop_id: str) -> Response:
        """Stop a loop and all below it, and wait for it: 200. 202 when it has not ended within `loops.stop_seconds`.
        A conversation whose loop is stopped goes on with its next turn."""
        if loops.get(loop_id) is None:
            raise _unknown()
        ended = await loops.stop(loop_id, asked_by())
        return answer({"id": loop_id, "status": "stopped" if ended else "stopping"}, 200 if ended else 202)

    return blueprint


async def _follow(bus: EventBus, loops: LoopRegistry, ping_seconds: float) -> AsyncGenerator[bytes]:
    """Snapshot and stream fit together: nothing is awaited between what was received and the look at the loops."""
    with bus.subscribe(_LOOPS) as subscription:
        piece = _snapshot(loops)
        while True:
            yield piece  # noqa: ASYNC119 - `stream` closes this generator when the client goes
            items: tuple[Event | Dropped, ...] = ()
            with trio.move_on_after(ping_seconds):
                items = await subscription.receive()
            if any(isinstance(item, Dropped) for item in items):
                piece = _snapshot(loops)
            else:
                piece = b"".join(_event(item) for item in items if isinstance(item, Event)) or b": keepalive\n\n"


def _snapshot(loops: LoopRegistry) -> bytes:
    return b"event: snapshot\ndata: %b\n\n" % _encode(_by_name(loops))


def _by_name(loops: LoopRegistry) -> list[LoopStatus]:
    """The order of the reference (REFERENCE 4.6)."""
    return sorted(loops.statuses(), key=lambda status: status.name)


def _event(event: Event) -> bytes:
    data = {"kind": event.kind, "ts": iso(event.ts), "data": event.data, "seq": event.seq}
    return b"event: loop\ndata: %b\n\n" % _encode(data)


def _unknown() -> ClientError:
    return ClientError("loop not found", status=404, code="loop_not_found")
