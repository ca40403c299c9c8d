"""Takes one turn through the agent and sees to its end: recorded first, then published, then told to the client.

However a run ends (answered, failed, cancelled by whoever, crashed), it is recorded once, in a part that cancelling
cannot reach but a deadline can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import msgspec
import structlog
import trio

from thane.agent.context import RunContext
from thane.agent.window import Recap
from thane.clock import Clock
from thane.config.settings import Settings
from thane.conversations import housekeeping, identity
from thane.conversations.conversation import Conversation
from thane.conversations.lookup import Asked, path_to_head, place
from thane.conversations.marks import OVER, recap, shown
from thane.conversations.recollection import recollect
from thane.conversations.remembered import WINDOW, LastWords, Remembered
from thane.conversations.ticket import Ticket
from thane.ids import Ids
from thane.ledger.accounts import Accounts
from thane.loops.loop import Iteration, IterationFailed
from thane.memory.archive import Archive
from thane.memory.facts import Facts
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord
from thane.turn import Batch, FailureKind, Message, RunFailed, RunFinished, RunStarted, Text, Turn, Usage

_log = structlog.get_logger("thane.conversations")

_CANCELLED = {
    "client": "The turn was cancelled by its client.",
    "dashboard": "The turn was stopped on the dashboard.",
    "api": "The turn was stopped by a request to Thane.",
    "interrupted": "The turn was stopped because something else was said.",
    "deleted": "The turn was stopped because its conversation was deleted.",
    "parent": "The task was stopped together with the turn that handed it over.",
    "shutdown": "The turn was stopped because Thane is shutting down.",
}
_NOT_STORED = "The answer could not be stored, so the turn does not count as done. Try again."
_INTERNAL = "Something went wrong inside Thane. The log has the details under this run's id."
_NOBODY = ConversationRecord(id="", channel="api", title="", created_at=0.0, updated_at=0.0)

type Final = RunFinished | RunFailed


class Runs(Protocol):
    """What answers a turn: `thane.agent.engine.Agent`, or a double of it."""

    async def run(self, turn: Turn, context: RunContext, send: Callable[[Batch], Awaitable[None]]) -> Final: ...


class Conductor:
    """Runs tickets. `deliver` is told each run's last event, when it is recorded; it must not block or raise.
    `context_of` tells how many tokens a model can take, 0 where it is not known. `outgrown` is told each conversation
    for which a model had too little room; it must not block or raise either. `full` tells why nothing can be stored."""

    def __init__(
        self,
        settings: Settings,
        *,
        agent: Runs,
        archive: Archive,
        accounts: Accounts,
        remembered: Remembered,
        clock: Clock,
        ids: Ids,
        deliver: Callable[[Ticket, Final], None],
        context_of: Callable[[str], int],
        outgrown: Callable[[str], None],
        facts: Facts | None = None,
        full: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._full = full
        self._agent = agent
        self._archive = archive
        self._accounts = accounts
        self._remembered = remembered
        self._clock = clock
        self._ids = ids
        self._deliver = deliver
        self._context_of = context_of
        self._outgrown = outgrown
        self._facts = facts

    async def run(self, ticket: Ticket, conversation: Conversation | None, iteration: Iteration | None) -> Final:
        """Run a ticket that has its slot; how it ended. Raises IterationFailed, for its loop to count, if it failed."""
        facts = ticket.recorder.facts
        ids = {"run_id": facts.run_id, "conversation_id": facts.conversation_id, "loop_id": facts.loop_id}
        with structlog.contextvars.bound_contextvars(**{name: value for name, value in ids.items() if value}):
            return await self._run(ticket, conversation, iteration)

    async def _run(self, ticket: Ticket, conversation: Conversation | None, iteration: Iteration | None) -> Final:
        final: Final | None = None
        ticket.phase = "running"
        ticket.recorder.begin(iteration)
        try:
            with ticket.scope:
                final = await self._answer(ticket, conversation)
        except Exception as error:  # noqa: BLE001 a turn's crash of any kind ends that turn and nothing else
            _log.error("a run crashed", run_id=ticket.run_id, exc_info=error)
            final = self._failed(ticket, "internal", _INTERNAL)
        finally:
            if final is None:
                ticket.cancelled_by = ticket.cancelled_by or ("parent" if ticket.handed else _stopper(iteration))
                final = self._cancelled(ticket)
            final = await self._end(ticket, conversation, final)  # noqa: ASYNC102 - it shields itself, with a deadline
            if iteration is not None:
                iteration.context_window = self._context_of(iteration.model)
        if isinstance(final, RunFailed) and final.failure != "cancelled":
            raise IterationFailed(final.message)
        return final

    async def dismiss(self, ticket: Ticket, conversation: Conversation | None) -> None:
        """See to the end of a ticket that was cancelled before it ran."""
        await self._end(ticket, conversation, self._cancelled(ticket))

    def note_cut_off(self, ticket: Ticket) -> None:
        """Remember that a client may have got only a part of an answer that was complete."""
        ticket.left_early = True
        words = self._remembered.get(ticket.conversation_id)
        if words is not None and words.run_id == ticket.run_id:
            self._remembered.note(msgspec.structs.replace(words, is_cut_off=True))

    async def _answer(self, ticket: Ticket, conversation: Conversation | None) -> Final:
        turn, facts = ticket.turn, ticket.recorder.facts
        if not ticket.handed and (
            reason := self._full()
        ):  # since it began to wait; a delegated task ends with its turn
            return self._failed(ticket, "unavailable", reason)
        if conversation is not None and turn.continues:
            turn = await self._with_history(ticket, conversation)
        elif ticket.interrupted:
            turn = msgspec.structs.replace(turn, messages=with_interrupted(turn.messages, ticket.interrupted))
        if facts.task:
            if not _has_models(self._settings):
                return await self._answer_task(ticket)
            caller = msgspec.structs.replace(turn.caller, task=facts.task)
            turn = msgspec.structs.replace(turn, tools=(), model=facts.profile, caller=caller)
        caller = turn.caller
        context = RunContext(
            run_id=facts.run_id,
            conversation_id=facts.conversation_id,
            profile=facts.profile,
            caller=caller,
            language=caller.language or self._settings.language,
            handoff=self._archive.sessions.handoff(conversation.record.id) if conversation is not None else "",
            facts=partial(recollect, self._facts, ticket, turn) if self._facts is not None else None,
            recap=partial(self._recap, conversation.record.id, turn) if conversation is not None else None,
        )
        if ticket.handed:
            context = msgspec.structs.replace(
                context,
                limits=ticket.handed.limits,
                local_only=ticket.handed.local_only,
                parent_run_id=ticket.handed.parent_run_id,
                instead_of=ticket.handed.instead_of,
            )
        final = await self._agent.run(turn, context, ticket.send)
        if facts.task and isinstance(final, RunFailed) and not ticket.began:
            return await self._answer_task(ticket)  # no model may do it: none in this house, none that has the money
        return final

    async def _recap(self, conversation_id: str, turn: Turn) -> Recap:
        """What the beginning of a conversation came to, if it was compacted: for clients that send all of it again."""
        records = await self._archive.messages_after(conversation_id, OVER)
        return recap(records, identity.read(turn.messages).keys)

    async def _answer_task(self, ticket: Ticket) -> RunFinished:
        """Housekeeping without a model: a small valid answer of the asked form."""
        facts = ticket.recorder.facts
        text = housekeeping.answer(facts.task, ticket.turn)
        await ticket.send((RunStarted(facts.run_id, "", facts.channel, facts.profile), Text(text)))
        return RunFinished(
            run_id=facts.run_id,
            model="embedded",
            text=text,
            usage=Usage(estimated=True),
            finish_reason="stop",
            steps=0,
            duration=ticket.recorder.elapsed(),
        )

    async def _with_history(self, ticket: Ticket, conversation: Conversation) -> Turn:
        """The turn with what was said before it: only now, for the turn ahead of it may just have ended."""
        records = await self._archive.messages(conversation.record.id)
        path = path_to_head(records)
        if path:
            above = path[-1].key
            history = identity.read(ticket.turn.messages, above.removeprefix(identity.FOREIGN))
            ticket.place = place(history, 0, conversation.record.id, above, path[-1].position + 1)
        system, new = identity.apart(ticket.turn.messages)
        messages = (*system, *(record.message for record in shown(records, path)), *new)
        return msgspec.structs.replace(ticket.turn, messages=messages, continues=False)

    def _failed(self, ticket: Ticket, failure: FailureKind, message: str) -> RunFailed:
        recorder = ticket.recorder
        return RunFailed(ticket.run_id, failure, message, recorder.usage(), recorder.elapsed())

    def _cancelled(self, ticket: Ticket) -> RunFailed:
        return self._failed(ticket, "cancelled", _CANCELLED.get(ticket.cancelled_by, _CANCELLED["shutdown"]))

    async def _end(self, ticket: Ticket, conversation: Conversation | None, final: Final) -> Final:
        """Record the run, publish how it ended, hand over its last event. Returns that event: it failed if unstored."""
        ticket.phase = "ending"
        cancelled = isinstance(final, RunFailed) and final.failure == "cancelled"
        run = ticket.recorder.end(final, ticket.cancelled_by or "shutdown" if cancelled else "")
        now = self._clock.time()
        record, messages, prompts = _NOBODY, tuple[MessageRecord, ...](), ticket.recorder.prompts
        whole = conversation or ticket.within
        if whole is not None and whole.deleted:
            run, prompts = _forgotten(run), ()
        elif conversation is not None:
            record = msgspec.structs.replace(conversation.record, updated_at=now)
            messages = self._messages(ticket, run, final, now)
        try:
            with trio.fail_after(self._settings.conversations.record_seconds, shield=True):
                keep = self._accounts.keep(run.id, ticket.recorder.book.entries)
                await self._archive.run_ended(record, run, messages, prompts, (keep,))
        except Exception as error:  # noqa: BLE001 whatever the disk's trouble, the client is told that it is not stored
            _log.error("a run could not be stored", run_id=ticket.run_id, exc_info=error)
            if isinstance(final, RunFinished):
                final = self._failed(ticket, "unavailable", _NOT_STORED)
                run = msgspec.structs.replace(run, state="failed", failure=final.failure, error=final.message)
        else:
            if conversation is not None and not conversation.deleted:
                conversation.record = msgspec.structs.replace(conversation.record, updated_at=now)
                self._remember(ticket, conversation, final, messages, now)
                if ticket.recorder.left_out:
                    self._outgrown(conversation.record.id)
        self._accounts.close(run.id)
        ticket.phase = "ended"
        ticket.recorder.publish_end(run, final)
        self._deliver(ticket, final)
        return final

    def _messages(self, ticket: Ticket, run: RunRecord, final: Final, now: float) -> tuple[MessageRecord, ...]:
        """What the turn adds to its conversation: what was asked, and the answer as far as there is one."""
        asked = tuple(self._message(ticket, each, ticket.recorder.accepted_at) for each in ticket.place.asked)
        calls = final.client_calls if isinstance(final, RunFinished) else ()
        if not run.text and isinstance(final, RunFailed):
            return asked
        where = ticket.place
        answer = Message("assistant", where.begun + run.text, run.thinking, calls)
        said = Asked(answer, identity.key(where.key, answer), where.above, where.position)
        return (*asked, self._message(ticket, said, now))

    def _message(self, ticket: Ticket, said: Asked, at: float) -> MessageRecord:
        return MessageRecord(
            id=self._ids.uuid7(),
            conversation_id=ticket.conversation_id,
            run_id=ticket.run_id,
            position=said.position,
            message=said.message,
            at=at,
            key=said.key,
            parent_key=said.parent_key,
        )

    def _remember(
        self,
        ticket: Ticket,
        conversation: Conversation,
        final: Final,
        messages: tuple[MessageRecord, ...],
        now: float,
    ) -> None:
        """Keep the last words, for a request whose history does not lead to them."""
        id_, where = conversation.record.id, ticket.place
        answer = messages[-1] if len(messages) > len(where.asked) else None
        asked = tuple(message for message in ticket.turn.messages if message.role != "system")
        asked = asked[:-1] if where.begun else asked
        failed = isinstance(final, RunFailed)
        said, parts = "", list[str]()
        if answer is not None:
            conversation.head = answer.key
            said = identity.digest(answer.message)
            parts.append(answer.message.content)
        if failed:
            parts.append(final.message)
        self._remembered.note(
            LastWords(
                conversation_id=id_,
                run_id=ticket.run_id,
                channel=conversation.record.channel,
                user=conversation.record.user,
                at=now,
                asked=identity.window(asked, WINDOW),
                new=identity.count_of_turn(asked),
                said=said,
                parent=where.key,
                answer="\n\n".join(part for part in parts if part),
                stored=answer.key if answer else where.above,
                is_cut_off=failed or ticket.left_early,
                calls=tuple(call.id for call in answer.message.tool_calls) if answer else (),
                turn_id=ticket.recorder.facts.turn_id,
            )
        )


def with_interrupted(messages: tuple[Message, ...], interrupted: tuple[Ticket, ...]) -> tuple[Message, ...]:
    """What a client sends, with what was said in the turns that its message ended, as far as it does not send that.

    A client that speaks while it is answered knows no more than its own words of that turn, and seldom that much.
    """
    last = next((place for place in range(len(messages) - 1, -1, -1) if messages[place].role == "user"), len(messages))
    before, new = list(messages[:last]), messages[last:]
    for ticket in interrupted:
        asked = next((each for each in reversed(ticket.turn.messages) if each.role == "user"), None)
        text = ticket.recorder.text
        if before[-2:-1] == [asked] and before[-1].role == "assistant" and text.startswith(before[-1].content.strip()):
            if before[-1].content.strip() or not text:
                continue  # the client shows what had come of the answer, and sends it
            before.pop()  # it has shown nothing yet
        since = next((place for place in range(len(before), 0, -1) if before[place - 1].role == "assistant"), 0)
        if asked is not None and asked not in before[since:]:
            before.append(asked)
        if text and (not before or before[-1].role != "assistant"):
            before.append(Message("assistant", text))
    return (*before, *new)


def _forgotten(run: RunRecord) -> RunRecord:
    """A run of a conversation that was deleted under it: that it was, and what it used, without a word of it."""
    return msgspec.structs.replace(
        run,
        conversation_id="",
        title="",
        text="",
        thinking="",
        error="",
        tool_calls=(),
        spans=(),
        prompts=(),
    )


def _has_models(settings: Settings) -> bool:
    models = settings.models
    return bool(models.default or models.available or models.providers or settings.anthropic.api_key)


def _stopper(iteration: Iteration | None) -> str:
    """Who cancelled a run from outside its own scope: the one who stopped its loop, else the shutdown."""
    reason = iteration.stop_reason if iteration else ""
    return reason if reason in _CANCELLED else "shutdown"
