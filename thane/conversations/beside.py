"""Turns beside all conversations: housekeeping, what a loop asks by itself, what a run hands over to another model.

They have no conversation and no queue but the one for a slot. The first two run in tasks of their own; what is handed
over runs in the slot and in the task of the run that hands it over, and so is cancelled with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
import trio

from thane.config.settings import Settings
from thane.conversations import facts as run_facts
from thane.conversations import identity
from thane.conversations.conduct import Conductor, Final
from thane.conversations.conversation import Slots
from thane.conversations.delegation import Handed, last_event
from thane.conversations.lookup import place
from thane.conversations.run_facts import RunFacts
from thane.conversations.ticket import Ticket
from thane.conversations.under_way import UnderWay
from thane.ids import Ids
from thane.loops.iteration import Iteration, IterationFailed
from thane.turn import RunFinished, Turn

_log = structlog.get_logger("thane.conversations")


class Beside:
    """Accepts them and has them run. `titled` is told each title that a model has made for a chat's first words."""

    def __init__(
        self,
        nursery: trio.Nursery,
        settings: Settings,
        *,
        conductor: Conductor,
        slots: Slots,
        under_way: UnderWay,
        ids: Ids,
        titled: Callable[[Turn, str], Awaitable[object]],
    ) -> None:
        self._nursery = nursery
        self._settings = settings
        self._conductor = conductor
        self._slots = slots
        self._under_way = under_way
        self._ids = ids
        self._titled = titled

    def do_housekeeping(self, turn: Turn, task: str) -> Ticket:
        facts = run_facts.of_housekeeping(self._ids.run(), turn, task)
        return self._start(turn, facts, None, f"housekeeping {facts.run_id}")

    def ask_within(self, turn: Turn, iteration: Iteration) -> Ticket:
        """What a loop asks in this iteration, and as a part of it."""
        facts = run_facts.of_iteration(self._ids.run(), turn, iteration)
        return self._start(turn, facts, iteration, f"task of {iteration.loop_name}")

    async def perform(self, handed: Handed) -> Final | str:
        """Do a task that a run hands over. How it ended, or in words why it is not done."""
        parent, conversation = self._under_way.find(handed.parent_run_id)
        most = self._settings.delegation.tasks_per_turn
        if parent is None:
            return "the turn that hands it over has ended"
        if parent.delegated >= most:
            return f"this turn has handed over {most} tasks already, which is as many as it may"
        parent.delegated += 1
        ticket = self._ticket(handed.turn, run_facts.of_delegated(self._ids.run(), handed.turn, parent.recorder.facts))
        ticket.handed, ticket.within = handed, conversation
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_within, ticket)
                ended = await last_event(ticket.batches)
            return ended  # noqa: RET504 a return inside the nursery could hide how the run ended
        finally:
            ticket.batches.close()
            self._under_way.forget(ticket)

    async def _run_within(self, ticket: Ticket) -> None:
        try:
            await self._conductor.run(ticket, None, None)
        except IterationFailed:
            _log.info("a delegated task failed", run_id=ticket.run_id)

    def _ticket(self, turn: Turn, facts: RunFacts) -> Ticket:
        return self._under_way.add(turn, place(identity.read(()), 0), facts, None)

    def _start(self, turn: Turn, facts: RunFacts, iteration: Iteration | None, name: str) -> Ticket:
        ticket = self._ticket(turn, facts)
        self._nursery.start_soon(self._run, ticket, iteration, name=name)
        return ticket

    async def _run(self, ticket: Ticket, iteration: Iteration | None) -> None:
        try:
            if await self._slots.acquire(ticket):
                try:
                    final = await self._conductor.run(ticket, None, iteration)
                finally:
                    self._slots.release(ticket)
                if ticket.recorder.facts.task == "title_generation" and isinstance(final, RunFinished):
                    await self._titled(ticket.turn, final.text)
        except IterationFailed:
            _log.info("a turn without a conversation failed", run_id=ticket.run_id, task=ticket.recorder.facts.task)
        finally:
            if ticket.phase == "queued":  # cancelled while it waited, alone or with everything
                await self._conductor.dismiss(ticket, None)  # noqa: ASYNC102 - it shields itself, with a deadline
