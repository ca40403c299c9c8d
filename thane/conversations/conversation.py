"""A live conversation: its record and the turns that wait in it. What its loop waits for is `next`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import msgspec
import trio

from thane.config import settings
from thane.conversations.ticket import Ticket
from thane.conversations.words import loop_name
from thane.errors import ClientError
from thane.loops.loop import EndLoop, Loop, Wake
from thane.memory.records import ConversationRecord, TitleBy

RETRY_SECONDS = 2.0
"""When a refused client may try again: about the length of a short turn."""


class Slots:
    """How many turns run at a time in all. First come, first served.

    `moved` is told of the first that wait, and their places from 1, whenever one before them has gone. Not of all:
    further back each step forward is no news, and would be as many events as turns wait.
    """

    def __init__(self, limits: settings.Conversations, moved: Callable[[Ticket, int], None] | None = None) -> None:
        self._limiter = trio.CapacityLimiter(limits.max_running)
        self._most = limits.max_waiting
        self._told = limits.told_places
        self._moved = moved
        self._line: dict[Ticket, None] = {}

    def check_room(self) -> None:
        """Raise ClientError (503) when as many turns wait for a slot as may."""
        if len(self._line) >= self._most:
            raise ClientError(
                f"Thane has {self._most} turns waiting already. Try again later.",
                status=503,
                code="overloaded",
                retry_after=RETRY_SECONDS,
            )

    def acquire_nowait(self, ticket: Ticket) -> bool:
        try:
            self._limiter.acquire_on_behalf_of_nowait(ticket)
        except trio.WouldBlock:
            return False
        return True

    async def acquire(self, ticket: Ticket) -> bool:
        """Wait for a slot; False when the ticket was cancelled instead (its `line`), and has none."""
        line = ticket.line
        if line.cancel_called or self.acquire_nowait(ticket):
            return not line.cancel_called
        self._line[ticket] = None
        try:
            with line:
                await self._limiter.acquire_on_behalf_of(ticket)
        finally:
            place = next(place for place, each in enumerate(self._line) if each is ticket)
            del self._line[ticket]
            self._tell_places(place)
        if line.cancel_called and not line.cancelled_caught:  # in the very moment that it got its slot
            self.release(ticket)
        return not line.cancel_called

    def release(self, ticket: Ticket) -> None:
        self._limiter.release_on_behalf_of(ticket)

    def _tell_places(self, first: int) -> None:
        if self._moved is not None:
            for place, ticket in enumerate(islice(self._line, first, self._told), first + 1):
                self._moved(ticket, place)

    def places(self) -> dict[Ticket, int]:
        """Who waits for a slot, and in which place, from 1."""
        return {ticket: place for place, ticket in enumerate(self._line, 1)}

    def statistics(self) -> tuple[int, int]:
        """Turns that have a slot, and turns that wait for one."""
        return int(self._limiter.borrowed_tokens), len(self._line)


class Conversation:
    """One conversation with a loop. Turns are taken one after the other, in the order in which they came."""

    loop: Loop

    def __init__(
        self, record: ConversationRecord, limits: settings.Conversations, slots: Slots, crowded: Callable[[], bool]
    ) -> None:
        self.record = record
        self.about: dict[str, Any] = {}
        """What its loop says of it (`LoopStatus.metadata`)."""
        self.deleted = False
        """Nothing of what still runs in it is to be kept."""
        self.head = ""
        """Key of the last answer; "" when it is not known."""
        self.turns = record.turn_count
        self.last_used = trio.current_time()
        self.closed = False
        """Once it is, the next turn of this conversation gets a new loop."""
        self._limits = limits
        self._slots = slots
        self._crowded = crowded
        self._queue: deque[Ticket] = deque()
        self._running: Ticket | None = None
        self._arrived = trio.Event()

    def rename(self, title: str, by: TitleBy) -> None:
        """It has a new title, also on its loop."""
        self.record = msgspec.structs.replace(self.record, title=title, title_by=by)
        self.about["title"] = title
        self.loop.rename(loop_name(self.record.channel, title), title=title, conversation_id=self.record.id)

    @property
    def is_idle(self) -> bool:
        return self._running is None and not self._queue

    @property
    def queued(self) -> int:
        """Turns that wait: for the one before them, or for a slot."""
        return len(self._queue)

    def check_room(self) -> None:
        """Raise ClientError (429) when no further turn may wait here."""
        if len(self._queue) >= self._limits.queue_turns + (self._running is None):
            raise ClientError(
                f"This conversation has {self._limits.queue_turns} turns waiting already. Try again later.",
                status=429,
                code="queue_full",
                retry_after=RETRY_SECONDS,
            )

    def submit(self, ticket: Ticket, *, new: bool = True) -> int:
        """Queue a run of a new turn, or of one that goes on. Its position from 1, 0 when nothing is ahead of it."""
        self.turns += new
        self._queue.append(ticket)
        self._arrived.set()
        return len(self._queue) - (self._running is None)

    def position(self, ticket: Ticket, places: Mapping[Ticket, int]) -> int:
        """Place of a queued turn, from 1; of the one at the front, its place among those that wait for a slot."""
        place = self._queue.index(ticket) + 1
        if self._running is None:
            return places.get(ticket, 1) if place == 1 else place - 1
        return place

    def remove(self, ticket: Ticket) -> None:
        """Take a queued turn out, wherever it stands."""
        place = self._queue.index(ticket)
        self._queue.remove(ticket)
        ticket.line.cancel()
        self._tell_positions(place)

    def _tell_positions(self, first: int) -> None:
        """Those from this place on have moved up by one."""
        for place, ticket in enumerate(islice(self._queue, first, None), first + (self._running is not None)):
            if place:  # the one at the front has its place among those that wait for a slot
                self.tell_position(ticket, place)

    def tell_position(self, ticket: Ticket, position: int) -> None:
        """Publish the place that a turn waits in."""
        ids = {"run_id": ticket.run_id, "conversation_id": ticket.conversation_id}
        self.loop.publish("loop_queued", position=position, **ids)

    def take_all(self) -> tuple[Ticket, ...]:
        """Take out every queued turn: the loop has ended."""
        self.closed = True
        tickets = tuple(self._queue)
        self._queue.clear()
        return tickets

    async def next(self) -> Wake:
        """Wait for a turn and for its slot. Raises EndLoop when nobody came for long enough."""
        while True:
            if not self._queue:
                await self._wait_for_turn()
                continue
            ticket = self._queue[0]
            if not self._slots.acquire_nowait(ticket):
                self.loop.enter("queued")
                self.tell_position(ticket, self._slots.statistics()[1] + 1)
                if not await self._slots.acquire(ticket):
                    continue
            self._queue.popleft()
            self._running = ticket
            self._tell_positions(0)
            return Wake(ticket, ticket.conversation_id, ticket.run_id)

    def finish(self, ticket: Ticket) -> None:
        """The running turn is done: its slot is free again."""
        self._running = None
        self.last_used = trio.current_time()
        self._slots.release(ticket)

    async def _wait_for_turn(self) -> None:
        if self._crowded():
            self.closed = True
            raise EndLoop("crowded")
        self._arrived = trio.Event()
        with trio.move_on_at(self.last_used + self._limits.idle_seconds):
            await self._arrived.wait()
        if not self._queue and trio.current_time() >= self.last_used + self._limits.idle_seconds:
            self.closed = True
            raise EndLoop("idle")
