"""What was said and done, kept: conversations with their messages, runs with their steps and tool calls.

A run is told of twice: when it starts, without waiting, and when it ends, in one transaction that is on disk before
`run_ended` returns (see `thane.memory.ended`), so that an answer is stored before its client is told that it is
complete. Which conversation a turn belongs to is decided elsewhere (`thane.conversations.identity`); the archive only
keeps the content tree.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Sequence

import msgspec
import trio

from thane.clock import Clock, iso
from thane.config import settings as config
from thane.errors import ClientError
from thane.ids import Ids
from thane.memory import rows
from thane.memory.checkpoints import Checkpoints
from thane.memory.ended import Stored, store_explanation, store_turn
from thane.memory.lately import Lately, read_lately, read_lately_of
from thane.memory.prompts import KeptPrompt, PackedPrompt, Packer, read_prompt
from thane.memory.query import begun, expression, parse, words_of
from thane.memory.records import (
    ConversationPage,
    ConversationQuery,
    ConversationRecord,
    Holder,
    MessageRecord,
    RunFilter,
    RunRecord,
    SentPrompt,
    TitleBy,
)
from thane.memory.search import Search
from thane.memory.sessions import Sessions
from thane.redaction import Redactor
from thane.storage import (
    conversation_list,
    conversation_rows,
    prompt_rows,
    run_rows,
    search_rows,
    session_rows,
    sweep_rows,
)
from thane.storage.database import Database
from thane.storage.latest import Latest

_WORDS = 100
"""Words, for misspelt ones to be found by, that are looked at together when a conversation is deleted: about 10 ms."""
_SWEPT = 10_000
"""Pieces of prompts that are swept when a conversation is deleted; retention sweeps what is left."""

_LAST_WORDS = 500
"""Messages whose words may not have been written when Thane was killed: more than come in a tenth of a second."""


class Archive:
    """Every method raises DependencyError when the disk fails."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: config.Archive = config.Archive(),  # noqa: B008 frozen
        packer: Packer | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._idle_seconds = settings.session_idle_minutes * 60
        self.sessions = Sessions(database, clock, settings)
        self.search = Search(database, settings)
        self.checkpoints = Checkpoints(
            database,
            clock,
            ids or Ids(random.Random(), clock),  # noqa: S311 for ids
            restored=self.sessions.recall,
        )
        self._packer = packer or Packer()
        self._unwritten: dict[str, Latest[tuple[ConversationRecord, RunRecord] | None]] = {}  # runs that go on

    async def recover(self) -> int:
        """Mark the runs that the last Thane left queued or running as interrupted; how many there were.

        And take in the words of what was said last, which are written a little after it. To be called once, before the
        first turn, and after the ledger was opened: what it has of them goes with them.
        """
        await self.sessions.recall()
        error = f"Thane stopped while this turn ran; it was found unfinished at {iso(self._clock.time())}."

        def recover(connection: sqlite3.Connection) -> int:
            said = search_rows.last_texts(connection, _LAST_WORDS)
            search_rows.add_words(connection, frozenset[str]().union(*map(words_of, said)))
            return run_rows.interrupt_open_runs(connection, error)

        return await self._database.write(recover)

    def run_started(self, conversation: ConversationRecord, run: RunRecord) -> None:
        """Note a queued or running run, soon and without waiting. May be repeated as the run goes on.

        A conversation that was put away is taken out again: someone speaks in it.
        """
        told = conversation, run
        unwritten = self._unwritten.get(run.id)
        if unwritten is None or not unwritten.replace(told):
            self._unwritten[run.id] = latest = Latest[tuple[ConversationRecord, RunRecord] | None](told)
            self._database.later(lambda connection: _store_started_run(connection, latest.take()))

    async def run_ended(
        self,
        conversation: ConversationRecord,
        run: RunRecord,
        messages: Sequence[MessageRecord],
        prompts: Sequence[SentPrompt] = (),
        alongside: Sequence[Callable[[sqlite3.Connection], object]] = (),
    ) -> None:
        """Store the run, its steps and tool calls, and its messages: durable on return, all or nothing. Its spans and
        prompts follow when there is time, and before anybody reads.

        `messages` are given in the order of the conversation and may begin with what is stored already: a message
        whose key the conversation has is not stored twice. The same run id again replaces what was stored for it.
        A housekeeping run has a conversation with an empty id, which is not stored, nor are messages. `alongside` is
        what others keep of a run, written in the same transaction: they may run twice. Cancelling gives up the waiting
        only: the run is stored all the same.
        """
        idle_seconds = self._idle_seconds
        packer = self._packer
        # What leans on a row that may come later waits for it: one that was put away, or that of the turn around it.
        alone = not conversation.archived and bool(conversation.id or not run.conversation_id)
        unwritten = self._unwritten.pop(run.id, None)
        if unwritten is not None and alone:
            unwritten.replace(None)

        def packed() -> list[PackedPrompt]:
            return [packer.pack(each.place, each.step, each.prompt) for each in prompts if packer.is_wanted]

        def store(connection: sqlite3.Connection) -> Stored:
            stored = store_turn(connection, conversation, run, messages, idle_seconds)
            for operation in alongside:
                operation(connection)
            return stored

        try:
            stored = await self._database.write(store, hurried=alone)
        except trio.Cancelled:
            stored = Stored(repeated=True, new=messages)  # as far as is known
            self._database.post(lambda connection: store_explanation(connection, run, packed, stored))
            raise
        self._database.later(lambda connection: store_explanation(connection, run, packed, stored))
        if stored.session_id:
            self.sessions.note_spoken(conversation.id, stored.session_id)

    async def add_message(self, message: MessageRecord) -> None:
        """Store a message that came of no turn, in the session that is open or else the last one. Durable on return."""

        def store(connection: sqlite3.Connection) -> None:
            last = session_rows.last_session(connection, message.conversation_id)
            session_id = last[0] if last is not None else ""
            conversation_rows.add_messages(connection, session_id, [rows.message_row(message)])
            search_rows.add_words(connection, words_of(message.message.content))

        await self._database.write(store)

    async def conversations(self, *, limit: int = 100, before: str = "") -> tuple[ConversationRecord, ...]:
        """Latest update first, from the one after the conversation `before`. Raises ClientError if that is unknown."""

        def read(connection: sqlite3.Connection) -> list[conversation_rows.Row]:
            start = None
            if before:
                row = conversation_rows.find_conversation(connection, before)
                if row is None:
                    raise ClientError(f"before: there is no conversation '{before}'")
                start = (rows.conversation_record(row).updated_at, before)
            return conversation_rows.list_conversations(connection, limit, start)

        return tuple(map(rows.conversation_record, await self._database.read(read)))

    async def find(self, query: ConversationQuery) -> ConversationPage:
        """The conversations that fit."""
        wanted = msgspec.structs.asdict(query)
        wanted["limit"] = query.limit + 1
        wanted["title"] = text = wanted.pop("q")
        wanted["said"] = expression(begun(parse(text)))
        found, count = await self._database.read(lambda c: conversation_list.select_conversations(c, **wanted))
        page = found[: query.limit]
        after = (page[-1][0], page[-1][1]) if len(found) > query.limit else None
        return ConversationPage(tuple(rows.conversation_record(row[1:]) for row in page), count, after)

    async def name(self, conversation_id: str, title: str, by: TitleBy) -> bool:
        """Give a conversation a title; only a person changes one that a person gave. Whether it has it now."""
        return await self._database.write(lambda c: conversation_list.set_title(c, conversation_id, title, by))

    async def put_away(self, conversation_id: str, *, away: bool) -> bool:
        """Keep a conversation out of the list, or take it back in. False when there is none of this id."""
        return await self._database.write(lambda c: conversation_list.set_archived(c, conversation_id, archived=away))

    async def delete(self, conversation_id: str) -> bool:
        """Delete a conversation with its messages and runs; what it cost stays. False when there is none."""

        said: set[str] = set()

        def delete(connection: sqlite3.Connection) -> bool:
            for row in conversation_rows.list_messages(connection, conversation_id):
                said.update(words_of(rows.message_record(row).message.content))
            was_there = conversation_list.delete_conversation(connection, conversation_id)
            prompt_rows.sweep_unused(connection, _SWEPT)  # what its prompts alone had
            return was_there

        was_there = await self._database.write(delete)
        self.sessions.forget(conversation_id)
        for some in itertools.batched(sorted(said), _WORDS, strict=False):  # a few at a time: turns get in between
            await self._database.write(lambda connection, some=some: sweep_rows.forget_words(connection, some))
        return was_there

    async def count_conversations(self) -> int:
        return await self._database.read(conversation_rows.count_conversations)

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        row = await self._database.read(lambda c: conversation_rows.find_conversation(c, conversation_id))
        return None if row is None else rows.conversation_record(row)

    async def messages(self, conversation_id: str) -> tuple[MessageRecord, ...]:
        """In the order in which they came, all branches together; `key` and `parent_key` tell the tree."""
        found = await self._database.read(lambda c: conversation_rows.list_messages(c, conversation_id))
        return tuple(map(rows.message_record, found))

    async def messages_after(self, conversation_id: str, beginning: str) -> tuple[MessageRecord, ...]:
        """Those whose parent's key begins so (such as marks), in the order in which they came."""
        found = await self._database.read(
            lambda c: conversation_rows.list_messages_after(c, conversation_id, beginning)
        )
        return tuple(map(rows.message_record, found))

    async def run(self, run_id: str) -> RunRecord | None:
        """With its steps, tool calls and spans, and what is told of its prompts."""
        found = await self._database.read(lambda c: _find_run(c, run_id))
        return None if found is None else rows.run_record(*found)

    async def question(self, conversation_id: str, run_id: str) -> str:
        """What the user said in a run, whole and without secrets; "" where it is not stored."""
        found = await self._database.read(lambda c: conversation_rows.find_asked(c, conversation_id, run_id))
        return self.redactor.text(found)

    async def prompt(self, prompt_hash: str) -> KeptPrompt | None:
        """The prompt of this name (see `PromptRecord.hash`), or None when it is not, or no longer, kept."""
        try:
            node_hash = bytes.fromhex(prompt_hash)
        except ValueError:
            return None
        pieces = await self._database.read(lambda c: prompt_rows.find_chain(c, node_hash))
        return read_prompt(prompt_hash, pieces) if pieces else None

    async def runs(
        self,
        *,
        conversation_id: str = "",
        wanted: RunFilter | None = None,
        start: tuple[float, str] | None = None,
        limit: int = 50,
    ) -> tuple[RunRecord, ...]:
        """Latest start first, from behind (started_at, id) `start`; without steps and the rest: ask for one run."""
        which = wanted or RunFilter(conversation_id=conversation_id)
        equal = msgspec.structs.asdict(which)
        since, until = equal.pop("since"), equal.pop("until")
        found = await self._database.read(
            lambda c: run_rows.list_runs(c, equal=equal, since=since, until=until, start=start, limit=limit)
        )
        return tuple(map(rows.run_record, found))

    @property
    def redactor(self) -> Redactor:
        """Takes out of a text what is taken out of prompts."""
        return self._packer.redactor

    def as_kept(self, sent: SentPrompt) -> KeptPrompt:
        """What would be kept of a prompt, for the view of a run that goes on: redacted, and named by its hash."""
        packed = self._packer.for_view().pack(sent.place, sent.step, sent.prompt)
        return read_prompt(packed.hash, [piece for _, piece in packed.links])

    async def lately(self, *, since: float, most: int, runs: int) -> tuple[Lately, ...]:
        """See `thane.memory.lately`."""
        return await read_lately(self._database, since=since, most=most, runs=runs)

    async def lately_of(self, record: ConversationRecord, *, runs: int) -> Lately:
        """See `thane.memory.lately`."""
        return await read_lately_of(self._database, record, runs=runs)

    async def holders(self, key: str) -> tuple[Holder, ...]:
        """The conversations whose tree contains the message with this key, latest update first; none for ""."""
        found = await self._database.read(lambda c: conversation_rows.find_holders(c, key))
        return tuple(Holder(id_, updated_at, bool(is_head), channel) for id_, updated_at, is_head, channel in found)


def _store_started_run(connection: sqlite3.Connection, told: tuple[ConversationRecord, RunRecord] | None) -> None:
    """Nothing where the run has ended before there was time for it."""
    if told is None:
        return
    conversation, run = told
    if conversation.id:
        conversation_rows.store_conversation(connection, rows.conversation_row(conversation))
        if conversation.archived:
            conversation_list.set_archived(connection, conversation.id, archived=False)
    run_rows.store_open_run(connection, rows.run_row(run))


def _find_run(connection: sqlite3.Connection, run_id: str) -> tuple[rows.Row, *tuple[list[rows.Row], ...]] | None:
    found = run_rows.find_run(connection, run_id)
    return None if found is None else (*found, prompt_rows.list_run_prompts(connection, run_id))
