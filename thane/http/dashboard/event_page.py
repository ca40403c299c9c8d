"""The parts of the Events page besides its rows: how many events come, when they came, and what runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from markupsafe import Markup

from thane.events.bus import Dropped
from thane.events.event import Event
from thane.http.dashboard import words
from thane.http.dashboard.board import Board, announce, running_link
from thane.http.dashboard.event_query import EventQuery, select_latest
from thane.http.dashboard.event_words import ERRORS, line
from thane.http.dashboard.histogram import SPAN_SECONDS, Histogram
from thane.http.dashboard.parts import Page, Part
from thane.http.rooms import Rooms


class EventPage:
    """One viewer's Events page, for one query."""

    def __init__(self, rooms: Rooms, board: Board, query: EventQuery) -> None:
        self._rooms = rooms
        self._board = board
        self._query = query
        self._histogram = Histogram()
        self._counted = 0  # the newest event that is in the histogram
        self.announcement = announce(())
        self.zone: tzinfo | None = board.zone

    def title(self, event: Event) -> str:
        """The title of the event's conversation, by its id or its run's, or the id itself while that is unknown."""
        conversation = str(event.data.get("conversation_id") or "")
        if not conversation and (cause := self._board.recent.cause(str(event.data.get("run_id") or ""))):
            return cause.title or cause.conversation_id
        return self._board.recent.title(conversation) or conversation

    async def look_back(self) -> list[Event]:
        """Read and count the events of the page's first view, at most `dashboard.event_scan`."""
        events = await select_latest(self._rooms.bus, self._query, self._rooms.settings.dashboard.event_scan)
        self.count(events)
        return events

    def count(self, items: Iterable[Event | Dropped]) -> None:
        """Take items into the histogram; what was taken before is passed over."""
        now = self._rooms.clock.time()
        for item in items:
            if isinstance(item, Dropped):
                self._histogram.add(now, dropped=item.count)
            elif item.seq > self._counted and now - item.ts < SPAN_SECONDS:
                self._histogram.add(
                    item.ts, error=item.kind in ERRORS.get(item.source, ()) or line(item).sign == "error"
                )
            self._counted = max(self._counted, item.last if isinstance(item, Dropped) else item.seq)

    async def parts(self) -> Page:
        """Everything but the rows, as it is now."""
        now, runs = self._rooms.clock.time(), self._rooms.conversations.running()
        await self._board.recent.read(self._rooms.bus, now)
        self.announcement = announce(runs)
        parts = (
            Part("hist", self._histogram.draw(now, self.zone)),
            self._figures(now),
            running_link(runs),
        )
        return {part.id: part for part in parts}

    def _figures(self, now: float) -> Part:
        shell = Markup('<span class="sub" id="figures"><span>{} a minute</span><span>{} so far</span></span>').format(
            self._histogram.per_minute(now), words.spaced(self._rooms.bus.last_seq)
        )
        return Part("figures", shell)
