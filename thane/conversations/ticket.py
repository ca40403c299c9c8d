"""One turn on its way through: from accepted to its last event delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import trio

from thane.conversations.lookup import Place
from thane.conversations.recorder import Recorder
from thane.turn import AgentEvent, Batch, Turn

if TYPE_CHECKING:
    from thane.conversations.conversation import Conversation
    from thane.conversations.delegation import Handed

_HELD_EVENTS = 1000


class Ticket:
    """A turn, its place in its conversation, its reply channel and how far it is.

    `queued` until its conversation and a slot are free, `running` until its answer is there, `ending` while that is
    stored, `ended` after. Only the first two can be cancelled.
    """

    def __init__(self, turn: Turn, place: Place, recorder: Recorder, *, reply_batches: int) -> None:
        self.turn = turn
        self.place = place
        self.recorder = recorder
        self.phase: Literal["queued", "running", "ending", "ended"] = "queued"
        self.scope = trio.CancelScope()
        """Of the run itself."""
        self.line = trio.CancelScope()
        """Of the waiting for a slot."""
        self.cancelled_by = ""
        self.interrupted: tuple[Ticket, ...] = ()
        """What was ended for this one: it is to see what was said there."""
        self.handed: Handed | None = None
        """Where it is a task that another run hands over."""
        self.within: Conversation | None = None
        """The conversation of the run that handed it over."""
        self.delegated = 0
        """Tasks that it has handed over itself."""
        self.began = False
        """Something of the answer was sent."""
        self.left_early = False
        """The client was gone before it had the whole answer, as far as can be known."""
        self.reply, self.batches = trio.open_memory_channel[Batch](reply_batches)
        self._held: list[AgentEvent] | None = None

    @property
    def run_id(self) -> str:
        return self.recorder.facts.run_id

    @property
    def conversation_id(self) -> str:
        return self.recorder.facts.conversation_id

    def cancel_run(self, by: str) -> None:
        """Stop the run; the first one who asked is named."""
        self.cancelled_by = self.cancelled_by or by
        self.scope.cancel(by)

    def hold(self) -> None:
        """Hand the answer over with its end: a client that is given it whole need not be woken for its pieces."""
        self._held = []

    def closing(self, final: AgentEvent) -> Batch:
        """The last batch: a run's last event, behind what was held."""
        held, self._held = self._held or (), None
        return (*held, final)

    async def send(self, batch: Batch) -> None:
        """Hand a batch to the client's task; waits while the client is slow.

        On purpose without a checkpoint when there is room: this is the path of every token, the reader of the model's
        stream has just had one, and after `reply_batches` of them it waits anyway.
        """
        self.recorder.observe(batch)
        self.began = True
        if self._held is not None:
            self._held += batch
            if len(self._held) < _HELD_EVENTS:
                return
            batch, self._held = tuple(self._held), []
        try:
            try:
                self.reply.send_nowait(batch)
            except trio.WouldBlock:
                await self.reply.send(batch)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.cancel_run("client")
            await trio.lowlevel.checkpoint()
