"""What happened lately and cannot be read from a snapshot: who changed a device and from what, and today's tokens.

It is fed by reading the bus forward from the last event that was seen, so it needs no task of its own, and nothing is
missed or counted twice.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, tzinfo

import msgspec
import trio

from thane.events.bus import EventBus
from thane.events.event import Event
from thane.events.filter import EventFilter
from thane.turn import JSON

WATCHED = EventFilter(
    sources=frozenset({"home", "agent"}),
    kinds=frozenset({"state_changed", "request_start", "request_complete"}),
)
PAGE = 1000  # events read at a time
REMEMBERED = 500  # runs and conversations whose title is known


class Change(msgspec.Struct, frozen=True):
    """A device's last change. `at` is epoch seconds; `run_id` is "" when no run of Thane's caused it."""

    at: float
    old_state: str
    new_state: str
    old_attributes: JSON
    new_attributes: JSON
    run_id: str = ""


class Cause(msgspec.Struct, frozen=True):
    """The turn that caused a change."""

    conversation_id: str
    title: str


class Tokens(msgspec.Struct, frozen=True):
    """Tokens that models used since midnight in the house. As in the ledger, the embedded brain's are none."""

    input: int = 0
    output: int = 0


class Recent:
    """Changes, causes and tokens up to the event `seq`."""

    def __init__(self, zone: tzinfo | None) -> None:
        self.seq = 0
        self.changes: dict[str, Change] = {}
        self.tokens = Tokens()
        self._zone = zone
        self._day = ""
        self._causes: OrderedDict[str, Cause] = OrderedDict()
        self._titles: OrderedDict[str, str] = OrderedDict()
        self._lock = trio.Lock()

    def cause(self, run_id: str) -> Cause | None:
        return self._causes.get(run_id)

    def title(self, conversation_id: str) -> str:
        """What a conversation is called, or "" if it had no turn lately."""
        return self._titles.get(conversation_id, "")

    async def read(self, bus: EventBus, now: float) -> None:
        """Take in what was published since the last time. `now` is epoch seconds."""
        async with self._lock:
            self._turn_day(now)
            while self.seq < bus.last_seq:
                newest = bus.last_seq
                events = await bus.replay(self.seq, WATCHED, PAGE)
                for event in events:
                    self._take(event)
                self.seq = events[-1].seq if len(events) == PAGE else newest

    def _turn_day(self, now: float) -> None:
        today = self._date(now)
        if today != self._day:
            self._day, self.tokens = today, Tokens()

    def _date(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).astimezone(self._zone).date().isoformat()

    def _take(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "state_changed":
                self.changes[str(data.get("entity_id", ""))] = Change(
                    event.ts,
                    str(data.get("old_state", "")),
                    str(data.get("new_state", "")),
                    data.get("old_attributes") or {},
                    data.get("new_attributes") or {},
                    str(data.get("run_id") or ""),
                )
            case "request_start":
                conversation, title = str(data.get("conversation_id") or ""), str(data.get("title") or "")
                _remember(self._causes, str(data.get("run_id", "")), Cause(conversation, title))
                if title:  # a conversation is called after its first turn
                    _remember(self._titles, conversation, self._titles.get(conversation, title))
            case _:
                if self._date(event.ts) == self._day and data.get("model") != "embedded":
                    self.tokens = Tokens(
                        self.tokens.input + int(data.get("total_tokens_in") or 0),
                        self.tokens.output + int(data.get("total_tokens_out") or 0),
                    )


def _remember[T](known: OrderedDict[str, T], key: str, value: T) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
