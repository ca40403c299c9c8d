"""One reader's way through the events: what is past first, then what happens, without a gap and without a repetition.

It joins `EventBus.replay` and a `Subscription`, for streams that can be taken up again. It knows no wire format.
"""

from __future__ import annotations

import trio

from thane.errors import ClientError
from thane.events.bus import Dropped, EventBus, Subscription
from thane.events.event import Event
from thane.events.filter import EventFilter

PAGE = 500  # past events read at a time

type Items = tuple[Event | Dropped, ...]


class Follower:
    """For one task that calls `receive`; others may `restart` it or ask for events `again` meanwhile.

    `subscription` must be entered already. Without `since`, only what is published from now on is followed.
    """

    def __init__(self, bus: EventBus, subscription: Subscription, since: int | None = None) -> None:
        self._bus = bus
        self._subscription = subscription
        self._waiting = trio.CancelScope()
        self._changes = 0  # of what is followed; tells a page that was being read meanwhile as outdated
        self._again: tuple[int, int] | None = None  # the last number that was sent again, and the last wanted
        # Up to `_cursor` everything that matches was received, or told as dropped. While `_behind`, what comes next is
        # read from the past; whatever the subscription holds of that is skipped later.
        self._cursor = subscription.since
        self._behind = False
        self._begin(since)

    def restart(self, filter: EventFilter, since: int | None = None) -> None:  # noqa: A002 - its name on the wire
        """Follow with another filter: from now on, or from after the event `since`."""
        self._subscription.filter = filter
        self._begin(since)

    def again(self, first: int, last: int) -> None:
        """Receive once more what is kept and matches of `first` to `last`. Raises ClientError while it already does."""
        if self._again is not None:
            raise ClientError("the replay before is still being sent")
        self._again = (max(first, 1) - 1, min(last, self._bus.last_seq))
        self._waiting.cancel()

    def _begin(self, since: int | None) -> None:
        self._changes += 1
        self._cursor = self._bus.last_seq if since is None else min(max(0, since), self._bus.last_seq)
        self._behind = self._cursor < self._bus.last_seq
        self._waiting.cancel()

    async def receive(self) -> Items:
        """The next events, at least one, in order; a `Dropped` stands where some are no longer kept or did not fit."""
        while True:
            if self._again is not None:
                items = await self._send_again(*self._again)
            elif self._behind:
                items = await self._catch_up()
            else:
                items = await self._live()
            if items:
                return items

    async def _live(self) -> Items:
        ready: Items = ()
        with trio.CancelScope() as self._waiting:
            ready = await self._subscription.receive()
        if self._behind:
            return ()  # it will be read from the past, in its place
        return tuple(item for item in map(self._new, ready) if item is not None)

    def _new(self, item: Event | Dropped) -> Event | Dropped | None:
        """The part of it that has not been received yet."""
        last = item.seq if isinstance(item, Event) else item.last
        if last <= self._cursor:
            return None
        if isinstance(item, Dropped) and item.first <= self._cursor:
            first = self._cursor + 1
            item = Dropped(min(item.count, last - first + 1), first, last)
        self._cursor = last
        return item

    async def _catch_up(self) -> Items:
        changes, newest = self._changes, self._bus.last_seq
        items, reached = await self._past(self._cursor, newest)
        if changes != self._changes:
            return ()
        self._cursor = reached
        self._behind = reached < self._bus.last_seq
        return items

    async def _send_again(self, sent: int, last: int) -> Items:
        items: Items = ()
        if sent < last:
            items, sent = await self._past(sent, last)
        self._again = (sent, last) if sent < last else None
        return items

    async def _past(self, after: int, last: int) -> tuple[Items, int]:
        """Some of what matches with `after < seq <= last`, and the number up to which that is all."""
        if after + 1 < self._bus.first_in_memory:
            kept = await self._bus.first_seq()
            if after + 1 < kept:
                gone = Dropped(min(kept - 1, last) - after, after + 1, min(kept - 1, last))
                return (gone,), gone.last
        page = await self._bus.replay(after, self._subscription.filter, PAGE)
        items = tuple(event for event in page if event.seq <= last)
        return items, items[-1].seq if len(page) == PAGE and items else last
