"""Every turn comes in here: whose conversation is it, may it run, and what becomes of it.

`Conversations.open` gives a turn its conversation and its place in the queue; the conversation's loop runs it; its
events come back over one bounded channel, the only border between tasks that they cross. Housekeeping turns have no
conversation and no loop and run beside them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import structlog
import trio

from thane.clock import Clock
from thane.config.settings import Settings
from thane.conversations import housekeeping, identity
from thane.conversations.conduct import Conductor, Final, Runs
from thane.conversations.conversation import Conversation, Slots
from thane.conversations.live import LiveRun
from thane.conversations.lookup import Lookup, Place, place
from thane.conversations.recorder import Recorder, RunFacts
from thane.conversations.remembered import Remembered
from thane.conversations.ticket import Ticket
from thane.conversations.words import first_title, last_title, loop_name, title
from thane.errors import ClientError
from thane.events.event import Publisher
from thane.ids import Ids
from thane.loops.loop import Iteration, IterationFailed, Loop, LoopSpec
from thane.loops.pace import Pace
from thane.loops.registry import LoopRegistry
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord
from thane.router.profiles import find_profile
from thane.turn import Batch, Channel, Turn

_log = structlog.get_logger("thane.conversations")

CHANNELS: tuple[Channel, ...] = ("owu", "ha", "api")
HOUSEKEEPING_PROFILE = "thane:local"
_AFTER_CRASH = Pace(sleep_min_seconds=0.1, sleep_default_seconds=0.25, sleep_max_seconds=10.0)
_DRAINING_RETRY_SECONDS = 5.0


class OpenTurn(msgspec.Struct, frozen=True):
    """A turn that was accepted. `batches` ends after `RunFinished` or `RunFailed`."""

    run_id: str
    conversation_id: str
    loop_id: str
    profile: str
    batches: trio.MemoryReceiveChannel[Batch]


class ConversationsStatistics(msgspec.Struct, frozen=True):
    """`live` counts conversations with a loop; `waiting_for_slot` turns kept back by `conversations.max_running`."""

    live: int
    running: int
    queued: int
    waiting_for_slot: int
    draining: bool


class Conversations:
    """The live conversations and the turns in them. Made by `open_conversations`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        settings: Settings,
        *,
        agent: Runs,
        archive: Archive,
        loops: LoopRegistry,
        events: Publisher,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._nursery = nursery
        self._settings = settings
        self._limits = settings.conversations
        self._archive = archive
        self._loops = loops
        self._events = events
        self._clock = clock
        self._ids = ids
        remembered = Remembered(self._limits.remembered)
        self._lookup = Lookup(archive, remembered, self._limits, clock)
        self._conductor = Conductor(
            settings,
            agent=agent,
            archive=archive,
            remembered=remembered,
            clock=clock,
            ids=ids,
            deliver=self._deliver,
        )
        self._slots = Slots(self._limits.max_running)
        self._parents: dict[Channel, Loop] = {}
        self._live: dict[str, Conversation] = {}  # the one that was used last comes last
        self._tickets: dict[str, tuple[Ticket, Conversation | None]] = {}
        self._idle = trio.Event()
        self._idle.set()
        self._draining = False
        for channel in CHANNELS:
            self._parent(channel)

    @asynccontextmanager
    async def open(self, turn: Turn) -> AsyncGenerator[OpenTurn]:
        """Accept a turn and let it run. Leaving the block before its end cancels it.

        Raises ClientError: 429 `queue_full` when too many turns of the conversation wait, 503 while draining.
        """
        ticket = await self._accept(turn)
        facts, finished = ticket.recorder.facts, False
        try:
            yield OpenTurn(facts.run_id, facts.conversation_id, facts.loop_id, facts.profile, ticket.batches)
            finished = ticket.phase == "ended" and not ticket.batches.statistics().current_buffer_used
        finally:
            ticket.batches.close()
            if not self.cancel(ticket.run_id, "client") and not finished:
                self._conductor.note_cut_off(ticket)
            self._forget(ticket)

    def running(self) -> tuple[LiveRun, ...]:
        """Turns that run or wait, in the order in which they came."""
        return tuple(
            ticket.recorder.view("queued", self._position(ticket, conversation))
            if ticket.phase == "queued"
            else ticket.recorder.view("processing")
            for ticket, conversation in self._tickets.values()
            if ticket.phase != "ended"
        )

    def cancel(self, run_id: str, by: str) -> bool:
        """Cancel a turn that waits or runs. False when there is none of this id, or its answer is complete already."""
        ticket, conversation = self._tickets.get(run_id, (None, None))
        if ticket is None or ticket.phase in ("ending", "ended"):
            return False
        ticket.cancelled_by = ticket.cancelled_by or by
        if ticket.phase == "running":
            ticket.cancel_run(by)
        elif conversation is None:
            ticket.line.cancel(by)  # housekeeping: it has a task of its own, which sees to its end
        else:
            conversation.remove(ticket)
            self._dismiss(ticket, conversation)
        return True

    def drain(self) -> None:
        """Take no more turns; those that were taken go on."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Wait until no turn runs or waits, and every client has taken its answer or has left."""
        await self._idle.wait()

    def statistics(self) -> ConversationsStatistics:
        borrowed, waiting = self._slots.statistics()
        queued = sum(ticket.phase == "queued" for ticket, _ in self._tickets.values())
        return ConversationsStatistics(len(self._live), borrowed, queued, waiting, self._draining)

    async def recall(self) -> None:
        """Remember what is needed of the conversations before this start."""
        await self._lookup.recall()

    async def close(self) -> None:
        """Stop every turn and every conversation's loop, and wait until the turns are recorded, up to a deadline."""
        self.drain()
        for run_id in tuple(self._tickets):
            self.cancel(run_id, "shutdown")
        for parent in tuple(self._parents.values()):
            if self._loops.get(parent.id) is not None:  # else it was stopped, or the whole tree is being cancelled
                await self._loops.stop(parent.id, "shutdown")
        with trio.move_on_after(self._limits.record_seconds):
            await self.wait_idle()

    async def _accept(self, turn: Turn) -> Ticket:
        self._check_open()
        task = housekeeping.recognise(turn)
        if task:
            return self._accept_task(turn, task)
        where, record = await self._find(turn)
        self._check_open()
        return self._submit(turn, where, record)

    async def _find(self, turn: Turn) -> tuple[Place, ConversationRecord | None]:
        """Where a turn belongs, and the record of that conversation if it has no loop now but is known."""
        history = identity.read(turn.messages)
        named = identity.explicit_id(turn.caller)
        if turn.continues:
            return place(history, 0, named), await self._record(named)
        live = self._live.get(named)
        if live is not None and history.answer >= 0 and live.head == history.keys[history.answer]:
            return place(history, history.answer + 1, named, live.head), live.record
        if named and (record := await self._record(named)) is not None:
            return await self._lookup.by_id(history, named), record
        if named and (turn.caller.channel != "ha" or history.answer < 0):
            return place(history, history.answer + 1, named), None
        where = await self._lookup.by_history(history, turn.caller, named)
        return where, await self._record(where.conversation_id)

    async def _record(self, conversation_id: str) -> ConversationRecord | None:
        live = self._live.get(conversation_id)
        if live is not None:
            return live.record
        return await self._archive.conversation(conversation_id) if conversation_id else None

    def _submit(self, turn: Turn, where: Place, record: ConversationRecord | None) -> Ticket:
        """Queue a turn in its conversation's loop, which is made if there is none. Nothing here waits."""
        conversation = self._live.get(where.conversation_id)
        if conversation is None or conversation.closed or conversation.loop.stop_reason:
            conversation = self._revive(record or self._new_record(turn, where.conversation_id))
        conversation.check_room()
        profile = find_profile(turn.model)
        facts = RunFacts(
            run_id=self._ids.run(),
            conversation_id=conversation.record.id,
            loop_id=conversation.loop.id,
            channel=turn.caller.channel,
            profile=profile.name if profile else turn.model,
            title=last_title(turn.messages),
            conversation_title=conversation.record.title,
            turn_number=conversation.turns + 1,
        )
        ticket = self._ticket(turn, where, facts, conversation)
        position = conversation.submit(ticket)
        self._archive.run_started(conversation.record, ticket.recorder.opening("queued" if position else "running"))
        if position:
            ids = {"run_id": facts.run_id, "conversation_id": facts.conversation_id}
            conversation.loop.publish("loop_queued", position=position, **ids)
        return ticket

    def _accept_task(self, turn: Turn, task: str) -> Ticket:
        facts = RunFacts(
            run_id=self._ids.run(),
            conversation_id="",
            loop_id="",
            channel=turn.caller.channel,
            profile=HOUSEKEEPING_PROFILE,
            title=title(task.replace("_", " ").capitalize()),
            conversation_title=task.replace("_", " ").capitalize(),
            turn_number=1,
            task=task,
        )
        ticket = self._ticket(turn, place(identity.read(()), 0), facts, None)
        self._nursery.start_soon(self._run_task, ticket, name=f"housekeeping {facts.run_id}")
        return ticket

    def _ticket(self, turn: Turn, where: Place, facts: RunFacts, conversation: Conversation | None) -> Ticket:
        recorder = Recorder(facts, self._events, self._clock)
        ticket = Ticket(turn, where, recorder, reply_batches=self._limits.reply_batches)
        if not self._tickets:
            self._idle = trio.Event()
        self._tickets[facts.run_id] = ticket, conversation
        return ticket

    async def _run_task(self, ticket: Ticket) -> None:
        """A housekeeping turn, in a task of the tracker's."""
        try:
            if await self._slots.acquire(ticket):
                try:
                    await self._conductor.run(ticket, None, None)
                finally:
                    self._slots.release(ticket)
        except IterationFailed:
            _log.info("a housekeeping turn failed", run_id=ticket.run_id, task=ticket.recorder.facts.task)
        finally:
            if ticket.phase == "queued":  # cancelled while it waited, alone or with everything
                await self._conductor.dismiss(ticket, None)  # noqa: ASYNC102 - it shields itself, with a deadline

    async def _run_turn(self, conversation: Conversation, iteration: Iteration) -> None:
        """The handler of a conversation's loop."""
        ticket: Ticket = iteration.payload
        try:
            await self._conductor.run(ticket, conversation, iteration)
        finally:
            conversation.finish(ticket)
            if self._live.get(conversation.record.id) is conversation:
                self._live[conversation.record.id] = self._live.pop(conversation.record.id)

    def _new_record(self, turn: Turn, conversation_id: str) -> ConversationRecord:
        now, caller = self._clock.time(), turn.caller
        return ConversationRecord(
            id=conversation_id or self._ids.conversation(),
            channel=caller.channel,
            title=first_title(turn.messages),
            created_at=now,
            updated_at=now,
            user=caller.user,
            area=caller.area,
        )

    def _revive(self, record: ConversationRecord) -> Conversation:
        """A loop for a conversation that has none, new or known."""
        self._make_room()
        conversation = Conversation(record, self._limits, self._slots, self._is_crowded)
        parent = self._parent(record.channel)
        conversation.loop = self._loops.spawn(
            LoopSpec(
                name=loop_name(record.channel, record.title),
                handler=partial(self._run_turn, conversation),
                wait=conversation.next,
                pace=_AFTER_CRASH,
                parent_id=parent.id,
                metadata={
                    "subsystem": record.channel,
                    "category": "conversation",
                    "conversation_id": record.id,
                    "title": record.title,
                    "user": record.user,
                },
                ended=partial(self._ended, conversation),
                queued=lambda: conversation.queued,
            )
        )
        self._live[record.id] = conversation
        return conversation

    def _make_room(self) -> None:
        """End the loop that was idle longest, where there are as many as there may be.

        Where all are busy there is one more for a while: turns are bounded by the connections that bring them.
        """
        if len(self._live) < self._limits.max_live:
            return
        oldest = next((conversation for conversation in self._live.values() if conversation.is_idle), None)
        if oldest is not None:
            oldest.closed = True
            del self._live[oldest.record.id]
            oldest.loop.stop("crowded")

    def _is_crowded(self) -> bool:
        return len(self._live) > self._limits.max_live

    def _ended(self, conversation: Conversation, reason: str) -> None:
        """A conversation's loop has ended: the next turn gets a new one; turns that still wait are cancelled."""
        if self._live.get(conversation.record.id) is conversation:
            del self._live[conversation.record.id]
        for ticket in conversation.take_all():
            ticket.cancelled_by = ticket.cancelled_by or reason
            self._dismiss(ticket, conversation)

    def _parent(self, channel: Channel) -> Loop:
        """The loop that a channel's conversations stand under; a new one if it was stopped."""
        loop = self._parents.get(channel)
        if loop is None or self._loops.get(loop.id) is None or loop.stop_reason:
            metadata = {"subsystem": channel, "category": "channel"}
            loop = self._parents[channel] = self._loops.spawn(LoopSpec(name=channel, metadata=metadata))
        return loop

    def _dismiss(self, ticket: Ticket, conversation: Conversation) -> None:
        ticket.phase = "ending"
        self._nursery.start_soon(self._conductor.dismiss, ticket, conversation, name=f"dismiss {ticket.run_id}")

    def _position(self, ticket: Ticket, conversation: Conversation | None) -> int:
        return self._slots.position(ticket) if conversation is None else conversation.position(ticket)

    def _deliver(self, ticket: Ticket, final: Final) -> None:
        """Hand over a run's last event. To a client that has not read so far it comes later, by a task of its own."""
        try:
            ticket.reply.send_nowait((final,))
        except trio.WouldBlock:
            self._nursery.start_soon(self._deliver_late, ticket, final, name=f"deliver {ticket.run_id}")
            return
        except trio.BrokenResourceError:
            pass
        ticket.reply.close()
        self._forget(ticket)

    async def _deliver_late(self, ticket: Ticket, final: Final) -> None:
        try:
            with ticket.reply:
                await ticket.reply.send((final,))
        except trio.BrokenResourceError:
            _log.debug("a client left before the end of its answer", run_id=ticket.run_id)
        finally:
            self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        """Forget a turn once it has ended and its client reads no more; before, it is still being answered."""
        if ticket.phase == "ended" and not ticket.batches.statistics().open_receive_channels:
            self._tickets.pop(ticket.run_id, None)
            if not self._tickets:
                self._idle.set()

    def _check_open(self) -> None:
        if self._draining:
            raise ClientError(
                "Thane is shutting down and takes no more turns.",
                status=503,
                code="draining",
                retry_after=_DRAINING_RETRY_SECONDS,
            )


@asynccontextmanager
async def open_conversations(
    settings: Settings,
    *,
    agent: Runs,
    archive: Archive,
    loops: LoopRegistry,
    events: Publisher,
    clock: Clock,
    ids: Ids,
) -> AsyncGenerator[Conversations]:
    """A tracker whose turns all end, recorded, when the block does."""
    async with trio.open_nursery() as nursery:
        conversations = Conversations(
            nursery, settings, agent=agent, archive=archive, loops=loops, events=events, clock=clock, ids=ids
        )
        await conversations.recall()
        try:
            yield conversations
        finally:
            with trio.CancelScope(shield=True):
                await conversations.close()  # has deadlines of its own
            nursery.cancel_scope.cancel("shutdown")
