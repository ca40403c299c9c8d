"""The live channel: what an open page lacks is sent over one WebSocket, from server to client only.

A viewer is first told everything, then only what changed, at most every `dashboard.batch_seconds`. Pages are
drawn from the state as it is, never from a queue of events, so a slow viewer is simply told later and less often: it
holds up nobody, and what it is told is true.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import trio
from markupsafe import Markup

from thane.events.bus import Dropped, Subscription
from thane.events.event import Event
from thane.events.filter import EventFilter
from thane.http.dashboard.board import Board, running_link
from thane.http.dashboard.event_page import EventPage
from thane.http.dashboard.event_query import EventQuery, select
from thane.http.dashboard.event_rows import event_rows, gap_row
from thane.http.dashboard.parts import NOTHING, Page, Part, Share, changes
from thane.http.dashboard.run_page import RunPage
from thane.http.rooms import Rooms

type SendText = Callable[[str], Awaitable[None]]

ANNOUNCE_SECONDS = 2.0  # a screen reader is told of changes at most this often


class LivePage(Protocol):
    """A page that draws itself."""

    announcement: Part

    async def parts(self) -> Page: ...


class Message(msgspec.Struct, omit_defaults=True):
    """One message to the page. `content` is markup for htmx; without it the message only says that all is still true.

    `now` is the server's clock, epoch seconds. `last` is the newest event considered, `rows` how many are in it.
    """

    now: float
    content: str | None = None
    last: int = 0
    rows: int = 0

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


async def feed_now(rooms: Rooms, board: Board, send: SendText) -> None:
    """Keep one viewer's Now page true, until cancelled."""
    limits = rooms.settings.dashboard
    viewer = Viewer(rooms, board.share)
    with rooms.bus.subscribe(EventFilter()) as subscription:
        async with trio.open_nursery() as nursery:
            rung, bell = trio.open_memory_channel[None](1)
            nursery.start_soon(_ring, subscription, rung)
            while True:
                await viewer.tell(await board.page(), board.announcement, send)
                with trio.move_on_after(limits.refresh_seconds if board.moving else limits.pulse_seconds):
                    await bell.receive()
                await trio.sleep(viewer.pause(limits.batch_seconds))


async def feed_run(rooms: Rooms, run_id: str, send: SendText) -> None:
    """Keep one viewer's page of a run true, until cancelled. Of a run that has ended it only says that it is."""
    limits = rooms.settings.dashboard
    viewer, page = Viewer(rooms, Share()), RunPage(rooms, run_id)
    with rooms.bus.subscribe(EventFilter(run_id=run_id)) as subscription:
        async with trio.open_nursery() as nursery:
            rung, bell = trio.open_memory_channel[None](1)
            nursery.start_soon(_ring, subscription, rung)
            while True:
                drawn = dict(await page.page())
                link = running_link(rooms.conversations.running())
                await viewer.tell(drawn | {link.id: link}, page.announcement, send)
                with trio.move_on_after(limits.refresh_seconds if page.moving else limits.pulse_seconds):
                    await bell.receive()
                await trio.sleep(viewer.pause(limits.batch_seconds))


async def feed_conversations(rooms: Rooms, page: LivePage, send: SendText) -> None:
    """Keep one viewer's Conversations page true, until cancelled. It is drawn anew at most once a refresh."""
    limits = rooms.settings.dashboard
    viewer = Viewer(rooms, Share())
    with rooms.bus.subscribe(EventFilter()) as subscription:
        async with trio.open_nursery() as nursery:
            rung, bell = trio.open_memory_channel[None](1)
            nursery.start_soon(_ring, subscription, rung)
            while True:
                await viewer.tell(await page.parts(), page.announcement, send)
                with trio.move_on_after(limits.pulse_seconds):
                    await bell.receive()
                await trio.sleep(limits.refresh_seconds / 4)


async def _ring(subscription: Subscription, bell: trio.MemorySendChannel[None]) -> None:
    """Ring once for any number of events. It never waits for the viewer, so its subscription never overflows."""
    while True:
        await subscription.receive()
        with suppress(trio.WouldBlock):
            bell.send_nowait(None)


class Viewer:
    """What one open page has been told. The announcement is told apart, and less often."""

    def __init__(self, rooms: Rooms, share: Share) -> None:
        self._rooms = rooms
        self._share = share
        self._page = NOTHING
        self._announced: Part | None = None
        self._told_at = -1.0
        self._announced_at = -ANNOUNCE_SECONDS

    def pause(self, batch_seconds: float) -> float:
        """How long to wait after something happened, so that what belongs together is told together."""
        return max(batch_seconds - (trio.current_time() - self._told_at), batch_seconds / 3)

    async def tell(self, page: Page, announcement: Part, send: SendText) -> None:
        """Send what differs from what was told, or a sign of life when nothing differed for long."""
        now, moment = self._rooms.clock.time(), trio.current_time()
        content = self._share.changes(self._page, page, now) if page is not self._page else ""
        if announcement != self._announced and moment - self._announced_at >= ANNOUNCE_SECONDS:
            self._announced, self._announced_at = announcement, moment
            content += "".join(changes(NOTHING, {announcement.id: announcement}, now))
        if not content and moment - self._told_at < self._rooms.settings.dashboard.pulse_seconds:
            return
        await send(Message(now, content or None).encode())
        self._page, self._told_at = page, trio.current_time()


async def feed_events(rooms: Rooms, board: Board, query: EventQuery, since: int, send: SendText) -> None:
    """Keep one viewer's Events page true from the event after `since`, until cancelled."""
    limits = rooms.settings.dashboard
    viewer, page = Viewer(rooms, Share()), EventPage(rooms, board, query)
    with rooms.bus.subscribe(query.filter) as subscription:
        await page.look_back()
        missed: Sequence[Event | Dropped] = await select(rooms.bus, query, since)
        last = since
        while True:
            fresh = [item for item in missed if isinstance(item, Dropped) or item.seq > last]
            page.count(fresh)
            events = [item for item in fresh if isinstance(item, Event)]
            last = max([last, *(item.last if isinstance(item, Dropped) else item.seq for item in fresh)])
            if fresh:  # in a message of their own: the page may hold rows back, and must not miss anything else
                rows = _rows(fresh, query, page, limits.event_rows)
                await send(Message(rooms.clock.time(), rows, last, min(len(events), limits.event_rows)).encode())
            await viewer.tell(await page.parts(), page.announcement, send)
            await trio.sleep(limits.batch_seconds)
            missed = ()
            with trio.move_on_after(2 * limits.refresh_seconds):
                missed = [
                    item for item in await subscription.receive() if isinstance(item, Dropped) or query.has_text(item)
                ]


def _rows(items: Iterable[Event | Dropped], query: EventQuery, page: EventPage, most: int) -> str:
    """New rows in front of the page's end marker. More than `most` events become a gap row and the newest of them."""
    items = list(items)
    drawn: list[Markup] = []
    if len(items) > most:
        gone, items = items[:-most], items[-most:]
        first = gone[0].first if isinstance(gone[0], Dropped) else gone[0].seq
        final = gone[-1].last if isinstance(gone[-1], Dropped) else gone[-1].seq
        drawn.append(gap_row(len(gone), first, final, query))
    for item in items:
        if isinstance(item, Dropped):
            drawn.append(gap_row(item.count, item.first, item.last, query))
        else:
            drawn.append(event_rows([item], page.title, page.zone, new=True))
    return f'<hx-partial hx-target="#tail-end" hx-swap="beforebegin">{Markup("").join(drawn)}</hx-partial>'
