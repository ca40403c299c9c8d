"""Every turn comes in here: whose conversation is it, may it run, and what becomes of it.

`Conversations.open` gives a turn its conversation and its place in the queue; the conversation's loop runs it; its
events come back over one bounded channel, the only border between tasks that they cross. Turns without a conversation
run beside them (`thane.conversations.beside`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec
import trio

from thane.clock import Clock
from thane.config.settings import Settings
from thane.conversations import facts as run_facts
from thane.conversations import housekeeping
from thane.conversations.beside import Beside
from thane.conversations.conduct import Conductor, Final, Runs
from thane.conversations.conversation import Conversation, Slots
from thane.conversations.delegation import Handed
from thane.conversations.finding import Finder
from thane.conversations.live import LiveRun
from thane.conversations.lookup import Lookup, Place
from thane.conversations.recorder import Recorder
from thane.conversations.remembered import Remembered
from thane.conversations.roster import Roster
from thane.conversations.rounds import Rounds
from thane.conversations.shelf import Shelf
from thane.conversations.tasks import TaskRunner
from thane.conversations.ticket import Ticket
from thane.conversations.under_way import UnderWay
from thane.conversations.words import first_title
from thane.errors import ClientError
from thane.events.event import Publisher
from thane.ids import Ids
from thane.ledger.accounts import Accounts, NoAccounts
from thane.loops.loop import Iteration
from thane.loops.registry import LoopRegistry
from thane.memory.archive import Archive
from thane.memory.facts import Facts
from thane.memory.lately import Lately
from thane.memory.records import ConversationRecord, RunRecord, SentPrompt
from thane.redaction import Redactor, known_secrets
from thane.router.profiles import Profiles
from thane.turn import Batch, Turn

_OUTGROWN = 1000  # conversations that may wait to be compacted

_DRAINING_RETRY_SECONDS = 5.0


class OpenTurn(msgspec.Struct, frozen=True):
    """A turn that was accepted. `batches` ends after `RunFinished` or `RunFailed`. `hold` has all of them come with the
    end, for who has no use for pieces."""

    run_id: str
    conversation_id: str
    loop_id: str
    profile: str
    batches: trio.MemoryReceiveChannel[Batch]
    hold: Callable[[], None] = lambda: None


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
        accounts: Accounts | None = None,
        context_of: Callable[[str], int] = lambda _: 0,
        facts: Facts | None = None,
        full: Callable[[], str] = lambda: "",
    ) -> None:
        self._full = full
        self._nursery = nursery
        self._settings = settings
        self._limits = settings.conversations
        self._profiles = Profiles(settings.profiles)
        self._archive = archive
        self._clock = clock
        self._ids = ids
        remembered = Remembered(self._limits.remembered)
        self._lookup = Lookup(archive, remembered, self._limits, clock)
        self._slots = Slots(self._limits, self._moved)
        redactor, book = Redactor(known_secrets(settings)), accounts or NoAccounts()
        self._under_way = UnderWay(
            nursery,
            self._slots,
            recorder=partial(Recorder, events=events, clock=clock, redactor=redactor, accounts=book),
            reply_batches=self._limits.reply_batches,
        )
        self._outgrew, self.outgrown = trio.open_memory_channel[str](_OUTGROWN)
        """Conversations for which their model had too little room, as it happens."""
        self._conductor = Conductor(
            settings,
            agent=agent,
            archive=archive,
            accounts=book,
            remembered=remembered,
            clock=clock,
            ids=ids,
            deliver=self._under_way.deliver,
            context_of=context_of,
            outgrown=self._note_outgrown,
            facts=facts,
            full=full,
        )
        self._live = Roster(
            self._limits, loops, self._slots, run=self._run_turn, ended=self._ended, context_of=context_of
        )
        self._finder = Finder(archive, self._live, self._lookup)
        self.shelf = Shelf(archive, self._live, remembered, loops, events, cancel=self._cancel_all)
        self._beside = Beside(
            nursery,
            settings,
            conductor=self._conductor,
            slots=self._slots,
            under_way=self._under_way,
            ids=ids,
            titled=self.shelf.better_title,
        )
        self._rounds = Rounds(self._limits.client_tools_seconds, clock)
        self._draining = False

    @asynccontextmanager
    async def open(self, turn: Turn, within: Iteration | None = None) -> AsyncGenerator[OpenTurn]:
        """Accept a turn and let it run. Leaving the block before its end cancels it. `within` is the iteration of a
        loop that asks by itself: its turn belongs to no conversation, and is told as the iteration's.

        Raises ClientError: 429 `queue_full` when too many turns of the conversation wait, 503 `overloaded` when
        too many wait in all, 503 `storage_full` while nothing can be stored, and 503 while draining.
        """
        ticket = await self._accept(turn, within)
        facts, finished = ticket.recorder.facts, False
        try:
            yield OpenTurn(
                facts.run_id, facts.conversation_id, facts.loop_id, facts.profile, ticket.batches, ticket.hold
            )
            finished = ticket.phase == "ended" and not ticket.batches.statistics().current_buffer_used
        finally:
            ticket.batches.close()
            if not self.cancel(ticket.run_id, "client") and not finished:
                self._conductor.note_cut_off(ticket)
            self._under_way.forget(ticket)

    def _note_outgrown(self, conversation_id: str) -> None:
        with suppress(trio.WouldBlock):  # it is told again after its next long turn
            self._outgrew.send_nowait(conversation_id)

    def is_busy(self, conversation_id: str) -> bool:
        """Whether a turn of the conversation runs or waits."""
        return any(ticket.phase != "ended" for ticket in self._under_way.of(conversation_id))

    def live(self) -> frozenset[str]:
        """The conversations that go on: each that has a loop, or a turn on its way."""
        under_way = {ticket.conversation_id for ticket, _ in self._under_way if ticket.phase != "ended"}
        return self._live.ids() | under_way - {""}

    async def perform(self, handed: Handed) -> Final | str:
        """Do a task that a run hands over, in its slot and within its task, so it is cancelled with it.

        How it ended, or in words why it is not done.
        """
        return await self._beside.perform(handed)

    def running(self) -> tuple[LiveRun, ...]:
        """Turns that run or wait, in the order in which they came."""
        return self._under_way.view()

    def between_rounds(self) -> tuple[LiveRun, ...]:
        """Turns whose client runs tools now, or may: no run of them goes on, as `running` would have it."""
        return self._rounds.view()

    def so_far(self, run_id: str) -> RunRecord | None:
        """The record of a run that goes on or waits, as it would be now; None for any other."""
        return self._under_way.so_far(run_id)

    def asked(self, run_id: str) -> str:
        """What the user said last in the turn of a run that goes on or waits; "" for any other."""
        return self._under_way.asked(run_id)

    def sent_prompts(self, run_id: str) -> tuple[SentPrompt, ...]:
        """What the model steps of a run that goes on were sent so far; nothing for any other."""
        return self._under_way.sent_prompts(run_id)

    def cancel(self, run_id: str, by: str) -> bool:
        """Cancel a turn that waits or runs. False when there is none of this id, or its answer is complete already."""
        ticket, conversation = self._under_way.find(run_id)
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

    def _cancel_all(self, conversation_id: str, by: str) -> tuple[str, ...]:
        """Cancel every turn of a conversation that can be; their runs."""
        tickets = self._under_way.of(conversation_id)
        return tuple(ticket.run_id for ticket in tickets if self.cancel(ticket.run_id, by))

    def drain(self) -> None:
        """Take no more turns; those that were taken go on."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Wait until no turn runs or waits, and every client has taken its answer or has left."""
        await self._under_way.wait_idle()

    def statistics(self) -> ConversationsStatistics:
        borrowed, waiting = self._slots.statistics()
        queued = self._under_way.count_queued()
        return ConversationsStatistics(len(self._live), borrowed, queued, waiting, self._draining)

    async def recall(self) -> None:
        """Remember what is needed of the conversations before this start."""
        await self._lookup.recall()
        now, limits = self._clock.time(), self._limits
        lately = await self._archive.lately(
            since=now - limits.idle_seconds, most=limits.max_live, runs=self._settings.loops.recent
        )
        for each in reversed(lately):  # the one that was used last comes last
            self._live.restore(each, max(0.0, now - each.record.updated_at))

    async def close(self) -> None:
        """Stop every turn and every conversation's loop, and wait until the turns are recorded, up to a deadline."""
        self.drain()
        for ticket, _ in self._under_way:
            self.cancel(ticket.run_id, "shutdown")
        await self._live.stop("shutdown")
        with trio.move_on_after(self._limits.record_seconds):
            await self.wait_idle()

    async def _accept(self, turn: Turn, within: Iteration | None) -> Ticket:
        self._check_open()
        if within is not None:
            return self._beside.ask_within(turn, within)
        task = housekeeping.recognise(turn, self._limits.housekeeping)
        if task:
            return self._beside.do_housekeeping(turn, task)
        where, record = await self._finder.find(turn)
        lately = None
        if record is not None and not self._live.is_live(record.id):  # it comes back from a rest
            lately = await self._archive.lately_of(record, runs=self._settings.loops.recent)
        self._check_open()
        return self._submit(turn, where, record, lately)

    def _submit(self, turn: Turn, where: Place, record: ConversationRecord | None, lately: Lately | None) -> Ticket:
        """Queue a turn in its conversation's loop, which is made if there is none. Nothing here waits."""
        live = self._live.get(where.conversation_id)
        known = live.record if live else record
        conversation = self._live.open(known or self._new_record(turn, where), lately)
        going_on = self._lookup.turn_of(conversation.record.id, where)
        interrupted = () if going_on else self._interrupt(conversation, turn, where)
        conversation.check_room()
        profile = self._profiles.find(turn.model)
        named = profile.name if profile else turn.model
        facts = run_facts.of_turn(self._ids.run(), turn, conversation, profile=named, turn_id=going_on)
        ticket = self._under_way.add(turn, where, facts, conversation)
        ticket.interrupted = interrupted
        position = conversation.submit(ticket, new=not going_on)
        self._rounds.over(conversation.record.id)
        self._archive.run_started(conversation.record, ticket.recorder.opening("queued" if position else "running"))
        if position:
            conversation.tell_position(ticket, position)
        return ticket

    def _interrupt(self, conversation: Conversation, turn: Turn, where: Place) -> tuple[Ticket, ...]:
        """End what runs or waits in the conversation, where its channel wants that; what was ended, oldest first.

        Not the same message for another model, nor the same one again: those stand beside it.
        """
        if getattr(self._limits.when_busy, turn.caller.channel) != "interrupt":
            return ()
        others = [
            ticket
            for ticket, its in self._under_way
            if its is conversation and ticket.phase in ("queued", "running") and ticket.place.key != where.key
        ]
        return tuple(ticket for ticket in others if self.cancel(ticket.run_id, "interrupted"))

    async def _run_turn(self, conversation: Conversation, iteration: Iteration) -> None:
        """The handler of a conversation's loop."""
        ticket: Ticket = iteration.payload
        try:
            self._rounds.note(ticket, await self._conductor.run(ticket, conversation, iteration))
        finally:
            conversation.finish(ticket)
            self._live.used(conversation)

    def _new_record(self, turn: Turn, where: Place) -> ConversationRecord:
        now, caller = self._clock.time(), turn.caller
        conversation_id = where.conversation_id or self._ids.conversation()
        title = self.shelf.begin(conversation_id, caller.channel, where.key)
        return ConversationRecord(
            id=conversation_id,
            channel=caller.channel,
            title=title or first_title(turn.messages),
            created_at=now,
            updated_at=now,
            user=caller.user,
            area=caller.area,
            title_by="model" if title else "words",
        )

    def _ended(self, conversation: Conversation, reason: str) -> None:
        """A conversation's loop has ended: the next turn gets a new one; turns that still wait are cancelled."""
        self._rounds.over(conversation.record.id)
        for ticket in conversation.take_all():
            ticket.cancelled_by = ticket.cancelled_by or reason
            self._dismiss(ticket, conversation)

    def _dismiss(self, ticket: Ticket, conversation: Conversation) -> None:
        ticket.phase = "ending"
        self._nursery.start_soon(self._conductor.dismiss, ticket, conversation, name=f"dismiss {ticket.run_id}")

    def _moved(self, ticket: Ticket, place: int) -> None:
        _, conversation = self._under_way.find(ticket.run_id)
        if conversation is not None:
            conversation.tell_position(ticket, place)

    def _check_open(self) -> None:
        if self._draining:
            raise ClientError(
                "Thane is shutting down and takes no more turns.",
                status=503,
                code="draining",
                retry_after=_DRAINING_RETRY_SECONDS,
            )
        if reason := self._full():
            retry_after = self._settings.storage.room_seconds
            raise ClientError(reason, status=503, code="storage_full", retry_after=retry_after)
        self._slots.check_room()


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
    accounts: Accounts | None = None,
    context_of: Callable[[str], int] = lambda _: 0,
    facts: Facts | None = None,
    full: Callable[[], str] = lambda: "",
) -> AsyncGenerator[Conversations]:
    """A tracker whose turns all end, recorded, when the block does. Loops' tasks are done by it.

    `context_of` tells how many tokens a model can take, 0 where it is not known.
    `facts` are what models are reminded of. `full` tells why nothing can be stored, "" as long as it can.
    """
    async with trio.open_nursery() as nursery:
        conversations = Conversations(
            nursery,
            settings,
            agent=agent,
            archive=archive,
            loops=loops,
            events=events,
            clock=clock,
            ids=ids,
            accounts=accounts,
            context_of=context_of,
            facts=facts,
            full=full,
        )
        loops.run_tasks_with(TaskRunner(conversations))
        await conversations.recall()
        try:
            yield conversations
        finally:
            with trio.CancelScope(shield=True):
                await conversations.close()  # has deadlines of its own
            nursery.cancel_scope.cancel("shutdown")
