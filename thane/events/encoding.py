"""Events as JSON. What JSON cannot hold (an object, half a surrogate pair) never costs an event: it becomes text."""

from __future__ import annotations

import msgspec
import structlog

from thane.clock import iso
from thane.events.event import Event, Source

_encode = msgspec.json.Encoder(enc_hook=str).encode
_UNFIT = (TypeError, ValueError, RecursionError)  # UnicodeEncodeError is a ValueError

_log = structlog.get_logger("thane.events")


class EventFrame(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """An event as it leaves Thane; `ts` is RFC 3339."""

    seq: int
    ts: str
    source: Source
    kind: str
    data: dict[str, object]

    @classmethod
    def of(cls, event: Event) -> EventFrame:
        return cls(event.seq, iso(event.ts), event.source, event.kind, event.data)


def encode_block(events: list[Event]) -> bytes:
    """An array of events for the log: `ts` in epoch seconds."""
    try:
        return _encode(events)
    except _UNFIT:
        return _encode([_readable(event) for event in events])


def encode_frame(event: Event) -> bytes:
    """One event for the outside, an object with `type` "event"."""
    try:
        return _encode(EventFrame.of(event))
    except _UNFIT:
        return _encode(EventFrame.of(_readable(event)))


def _readable(event: Event) -> Event:
    try:
        _encode(event)
    except _UNFIT as error:
        _log.error("an event does not fit into JSON", source=event.source, kind=event.kind, error=repr(error))
        return msgspec.structs.replace(event, data={ascii(name): ascii(value) for name, value in event.data.items()})
    return event
