"""What the Events page is asked to show: the filters of its address, and the events that they select."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from thane.errors import ClientError
from thane.events.bus import EventBus
from thane.events.event import KINDS, Event, Source
from thane.events.filter import SOURCES, EventFilter
from thane.http.dashboard.event_words import ERRORS, line

PAGE = 1000  # events read from the bus at a time


class Arguments(Protocol):
    """The query of a request, as Werkzeug gives it."""

    def getlist(self, key: str) -> list[str]: ...


class EventQuery(msgspec.Struct, frozen=True):
    """`kind` is one kind, `errors` for all that tell of a failure, or ""; `text` is searched for in lower case."""

    sources: tuple[Source, ...] = ()
    kind: str = ""
    conversation: str = ""
    loop: str = ""
    text: str = ""
    run: str = ""

    @classmethod
    def read(cls, arguments: Arguments) -> EventQuery:
        """From `source` (may come several times), `kind`, `conversation`, `loop`, `run`, `q`. Raises `ClientError`."""

        def last(name: str) -> str:
            return next((value.strip() for value in reversed(arguments.getlist(name)) if value.strip()), "")

        wanted = [name for value in arguments.getlist("source") for name in value.split(",") if name]
        for name in wanted:
            if name not in KINDS:
                raise ClientError(f"there is no event source “{name}”; there are {', '.join(KINDS)}", code="bad_filter")
        kind = last("kind")
        if kind and kind != "errors" and not any(kind in kinds for kinds in KINDS.values()):
            raise ClientError(f"there is no event kind “{kind}”", code="bad_filter")
        sources: tuple[Source, ...] = tuple(source for source in SOURCES if source in wanted)
        return cls(sources, kind, last("conversation"), last("loop"), last("q").lower(), last("run"))

    @property
    def filter(self) -> EventFilter:
        """All of the query that the bus can decide; `text` is left to `has_text`."""
        kinds = {self.kind} if self.kind else set[str]()
        if self.kind == "errors":
            kinds = {kind for kinds in ERRORS.values() for kind in kinds}
        return EventFilter(
            sources=frozenset(self.sources),
            kinds=frozenset(kinds),
            conversation_id=self.conversation,
            loop_id=self.loop,
            run_id=self.run,
        )

    def has_text(self, event: Event) -> bool:
        """Whether the text is in the event's kind, its summary or its JSON."""
        if not self.text:
            return True
        return (
            self.text in event.kind
            or self.text in line(event).text.lower()
            or self.text in json.dumps(event.data, ensure_ascii=False, default=str).lower()
        )

    def log_query(self, limit: int) -> str:
        """The query string that asks `/v1/events/log` for the newest `limit` selected events; it knows no text."""
        pairs = [("limit", str(limit)), *(("source", source) for source in self.sources)]
        pairs += [("kind", kind) for kind in sorted(self.filter.kinds)]
        named = {"conversation_id": self.conversation, "loop_id": self.loop, "run_id": self.run}
        return urlencode(pairs + [(name, value) for name, value in named.items() if value])

    def query(self, **more: object) -> str:
        """The query string that gives this query again, with other parameters before it."""
        pairs: list[tuple[str, object]] = list(more.items())
        pairs += [("source", source) for source in self.sources]
        named = {
            "kind": self.kind,
            "conversation": self.conversation,
            "loop": self.loop,
            "run": self.run,
            "q": self.text,
        }
        pairs += [(name, value) for name, value in named.items() if value]
        return urlencode(pairs)


async def select(bus: EventBus, query: EventQuery, after: int, before: int | None = None) -> list[Event]:
    """All selected events with `after < seq < before`, oldest first; up to now when `before` is None."""
    found: list[Event] = []
    since = after
    while before is None or since < before - 1:
        page = await bus.replay(since, query.filter, PAGE)
        found += [event for event in page if (before is None or event.seq < before) and query.has_text(event)]
        if len(page) < PAGE:
            break
        since = page[-1].seq
    return found


async def select_latest(bus: EventBus, query: EventQuery, scanned: int) -> list[Event]:
    """The selected events among the newest `scanned` that the bus can tell apart by itself, oldest first."""
    return [event for event in await bus.latest(query.filter, scanned) if query.has_text(event)]


def newest(events: Sequence[Event], rows: int) -> tuple[Sequence[Event], int]:
    """The last `rows` events, and how many came before them."""
    return events[-rows:], max(0, len(events) - rows)


def kinds_by_source(sources: Sequence[Source]) -> Mapping[str, tuple[str, ...]]:
    """The kinds that can be chosen: those of the chosen sources, or all."""
    return {source: tuple(kinds) for source, kinds in KINDS.items() if not sources or source in sources}
