"""The turns under way: accepted, and not yet both ended and read by their clients. Found, told of, and handed over.

What may run and when is the tracker's; what a run has done so far is its recorder's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog
import trio

from thane.conversations.conduct import Final
from thane.conversations.conversation import Conversation, Slots
from thane.conversations.live import LiveRun
from thane.conversations.lookup import Place
from thane.conversations.recorder import Recorder
from thane.conversations.run_facts import RunFacts
from thane.conversations.ticket import Ticket
from thane.memory.records import RunRecord, SentPrompt
from thane.turn import Batch, Turn

_log = structlog.get_logger("thane.conversations")


class UnderWay:
    """Tickets by run, in the order in which they came, each with its conversation if it has one.

    `recorder` makes what watches a run; `reply_batches` is how much of an answer may wait for its client.
    """

    def __init__(
        self, nursery: trio.Nursery, slots: Slots, *, recorder: Callable[[RunFacts], Recorder], reply_batches: int
    ) -> None:
        self._nursery = nursery
        self._slots = slots
        self._recorder = recorder
        self._reply_batches = reply_batches
        self._tickets: dict[str, tuple[Ticket, Conversation | None]] = {}
        self._idle = trio.Event()
        self._idle.set()

    def __iter__(self) -> Iterator[tuple[Ticket, Conversation | None]]:
        """As it is now: what comes or goes meanwhile changes nothing."""
        return iter(tuple(self._tickets.values()))

    def add(self, turn: Turn, where: Place, facts: RunFacts, conversation: Conversation | None) -> Ticket:
        """A turn that was accepted just now."""
        ticket = Ticket(turn, where, self._recorder(facts), reply_batches=self._reply_batches)
        if not self._tickets:
            self._idle = trio.Event()
        self._tickets[ticket.run_id] = ticket, conversation
        return ticket

    def find(self, run_id: str) -> tuple[Ticket | None, Conversation | None]:
        return self._tickets.get(run_id, (None, None))

    def of(self, conversation_id: str) -> tuple[Ticket, ...]:
        """Those of one conversation."""
        return tuple(ticket for ticket, _ in self._tickets.values() if ticket.conversation_id == conversation_id)

    def view(self) -> tuple[LiveRun, ...]:
        """Those that run or wait."""
        places = self._slots.places()
        return tuple(
            ticket.recorder.view(
                "queued", conversation.position(ticket, places) if conversation else places.get(ticket, 0)
            )
            if ticket.phase == "queued"
            else ticket.recorder.view("processing")
            for ticket, conversation in self._tickets.values()
            if ticket.phase != "ended"
        )

    def count_queued(self) -> int:
        return sum(ticket.phase == "queued" for ticket, _ in self._tickets.values())

    def so_far(self, run_id: str) -> RunRecord | None:
        """The record of a run that goes on or waits, as it would be now; None for any other."""
        ticket, _ = self.find(run_id)
        if ticket is None or ticket.phase == "ended":
            return None
        return ticket.recorder.so_far("queued" if ticket.phase == "queued" else "running")

    def asked(self, run_id: str) -> str:
        """What the user said last in a turn under way; "" for any other."""
        ticket, _ = self.find(run_id)
        messages = ticket.turn.messages if ticket is not None else ()
        return next((message.content for message in reversed(messages) if message.role == "user"), "")

    def sent_prompts(self, run_id: str) -> tuple[SentPrompt, ...]:
        """What the model steps of a turn under way were sent so far; nothing for any other."""
        ticket, _ = self.find(run_id)
        return ticket.recorder.prompts if ticket is not None else ()

    async def wait_idle(self) -> None:
        """Wait until no turn is under way."""
        await self._idle.wait()

    def deliver(self, ticket: Ticket, final: Final) -> None:
        """Hand over a run's last event. To a client that has not read so far it comes later, by a task of its own."""
        last = ticket.closing(final)
        try:
            ticket.reply.send_nowait(last)
        except trio.WouldBlock:
            self._nursery.start_soon(self._deliver_late, ticket, last, name=f"deliver {ticket.run_id}")
            return
        except trio.BrokenResourceError:
            pass
        ticket.reply.close()
        self.forget(ticket)

    async def _deliver_late(self, ticket: Ticket, last: Batch) -> None:
        try:
            with ticket.reply:
                await ticket.reply.send(last)
        except trio.BrokenResourceError:
            _log.debug("a client left before the end of its answer", run_id=ticket.run_id)
        finally:
            self.forget(ticket)

    def forget(self, ticket: Ticket) -> None:
        """Forget a turn once it has ended and its client reads no more; before, it is still being answered."""
        if ticket.phase == "ended" and not ticket.batches.statistics().open_receive_channels:
            self._tickets.pop(ticket.run_id, None)
            if not self._tickets:
                self._idle.set()
