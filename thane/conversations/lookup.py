"""Finds a request's conversation: asks the archive and memory, and lets `thane.conversations.identity` decide.

The archive is asked for every history: only it can tell that no other conversation holds the same node.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thane.clock import Clock
from thane.config import settings
from thane.conversations import identity
from thane.conversations.branches import path_to
from thane.conversations.identity import FOREIGN, History
from thane.conversations.marks import without_marks
from thane.conversations.remembered import WINDOW, LastWords, Remembered
from thane.conversations.words import spoken
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord, Holder, MessageRecord
from thane.turn import Caller, Message

_PAGE = 100


class Asked(msgspec.Struct, frozen=True):
    """A message that the request adds to its conversation, as it is to be stored."""

    message: Message
    key: str
    parent_key: str
    position: int


class Place(msgspec.Struct, frozen=True):
    """Where a request stands: in which conversation ("" for a new one), and which of its messages are new there.

    `key` is that of the last message, by what the client sent; `above` is the key of what is stored last, below which
    the answer comes, at `position`.
    """

    conversation_id: str
    asked: tuple[Asked, ...]
    key: str
    above: str
    position: int
    begun: str = ""
    """What the answer goes on from: the client sent the beginning of it as the last message."""


class Lookup:
    """Finds conversations by id or by history."""

    def __init__(self, archive: Archive, remembered: Remembered, limits: settings.Conversations, clock: Clock) -> None:
        self._archive = archive
        self._remembered = remembered
        self._limits = limits
        self._clock = clock

    async def by_history(self, history: History, caller: Caller, named: str = "") -> Place:
        """The conversation that a request continues by what it says; if none, a new one.

        `named` is a name that nobody has yet. It is the new conversation's; or, of a Home Assistant that renders its
        prompt anew each turn (CLIENTS.md), just the latest name of one that had another one before.
        """
        for index in history.answers(self._limits.history_lookups):
            holders = await self._holders(history, index)
            evidence = await self._evidence(history, caller, holders)
            verdict = identity.choose(
                holders,
                caller,
                tool_round=history.is_tool_round,
                evidence=evidence,
                named=bool(named),
                now=self._clock.time(),
                home_assistant_idle_seconds=self._limits.home_assistant_idle_seconds,
            )
            if verdict.outcome == "unknown":
                continue
            found = verdict.conversation_id
            if found and (found in evidence.called or self._is_alone(history, index, caller, found)):
                return self._below(history, index, found)
            return place(history, history.answer + 1, named)
        if caller.channel == "ha" and not named:
            return self._trimmed(history, caller)
        return place(history, history.answer + 1, named)

    async def by_id(self, history: History, conversation_id: str) -> Place:
        """Where a request stands in a conversation that exists and that it names."""
        for index in history.answers(self._limits.history_lookups):
            holders = await self._holders(history, index)
            if any(holder.conversation_id == conversation_id for holder in holders):
                return self._below(history, index, conversation_id)
        return place(history, history.answer + 1, conversation_id)

    def turn_of(self, conversation_id: str, where: Place) -> str:
        """The turn that goes on where a client comes back with the results of its own tools; "" for a new turn."""
        words = self._remembered.get(conversation_id)
        comes_back = bool(where.asked) and where.asked[0].message.role == "tool"
        if words is None or not words.calls or not comes_back or where.asked[0].parent_key != words.stored:
            return ""
        return words.turn_id or words.run_id

    async def _holders(self, history: History, index: int) -> tuple[Holder, ...]:
        """The conversations in which Thane gave answer `index` of the history, or one that begins with it."""
        holders = await self._archive.holders(history.keys[index])
        known = {holder.conversation_id for holder in holders}
        parts = self._remembered.cut_off(history.parent(index), history.said[index].content)
        return (*holders, *(part for part in parts if part.conversation_id not in known))

    async def _evidence(self, history: History, caller: Caller, holders: tuple[Holder, ...]) -> identity.Evidence:
        users: dict[str, str] = {}
        for holder in holders if caller.user else ():
            record = await self._archive.conversation(holder.conversation_id)
            users[holder.conversation_id] = record.user if record else ""
        call_ids = [message.tool_call_id for message in history.said[history.answer + 1 :] if message.tool_call_id]
        return self._remembered.evidence(call_ids, users)

    def _below(self, history: History, index: int, conversation_id: str) -> Place:
        """Below answer `index`; if it came back in part, below the whole of it."""
        words = self._remembered.get(conversation_id)
        if words and words.is_cut_off and words.parent == history.parent(index):
            return place(history, index + 1, conversation_id, words.stored)
        return place(history, index + 1, conversation_id, history.keys[index])

    def _is_alone(self, history: History, index: int, caller: Caller, conversation_id: str) -> bool:
        """Whether no other conversation can be meant, were the beginning of this history gone.

        What a client still sends of a long chat may look like the whole of another one.
        """
        if caller.channel == "ha" and not self._knows_home_assistants():
            return False
        return not self._ending_in(history, index, caller) - {conversation_id}

    def _trimmed(self, history: History, caller: Caller) -> Place:
        """Where a history of Home Assistant's stands whose beginning is gone: in the one conversation that ended so.

        Not for other clients: theirs may come back at any time, so that no one in memory is known for the only one.
        """
        for index in history.answers(self._limits.history_lookups) if self._knows_home_assistants() else ():
            found = self._ending_in(history, index, caller)
            if len(found) == 1 and index and (words := self._remembered.get(next(iter(found)))):
                return place(history, index + 1, words.conversation_id, words.stored)
            if found:
                break
        return place(history, history.answer + 1)

    def _ending_in(self, history: History, index: int, caller: Caller) -> frozenset[str]:
        visible = identity.window(history.said[: index + 1], WINDOW)
        idle_seconds = self._limits.home_assistant_idle_seconds
        return self._remembered.ending_in(visible, caller, self._clock.time(), idle_seconds)

    def _knows_home_assistants(self) -> bool:
        return self._remembered.knows_home_assistants(self._clock.time(), self._limits.home_assistant_idle_seconds)

    async def recall(self) -> None:
        """Remember, after a start, the conversations that a Home Assistant may still continue."""
        since = self._clock.time() - self._limits.home_assistant_idle_seconds
        before = ""
        recent: list[ConversationRecord] = []
        while page := await self._archive.conversations(limit=_PAGE, before=before):
            recent += [record for record in page if record.channel == "ha" and record.updated_at >= since]
            if page[-1].updated_at < since:
                break
            before = page[-1].id
        for record in reversed(recent):
            path = path_to_head(await self._archive.messages(record.id))
            words = _last_words(record, path)
            self._remembered.note(words)
            runs = await self._archive.runs(conversation_id=record.id)
            is_whole = bool(words.before) or not (path and path[0].parent_key)
            if not is_whole or any(run.state != "done" for run in runs):
                # What its client shows is not what is stored: an error, a part of an answer, an older beginning.
                self._remembered.forget_home_assistants(record.updated_at)


def _last_words(record: ConversationRecord, path: Sequence[MessageRecord]) -> LastWords:
    """How a conversation ended, from what is stored of it. Whether its client got all of that is not known any more."""
    answer = path[-1] if path and path[-1].message.role == "assistant" else None
    asked = [each.message for each in (path if answer is None else path[:-1])]
    last = path[-1].key if path else ""
    return LastWords(
        conversation_id=record.id,
        run_id=path[-1].run_id if path else "",
        channel=record.channel,
        user=record.user,
        at=record.updated_at,
        asked=identity.window(asked, WINDOW),
        new=identity.count_of_turn(asked),
        said=identity.digest(answer.message) if answer else "",
        parent=(answer.parent_key if answer else last).removeprefix(FOREIGN) or identity.ROOT,
        answer=answer.message.content if answer else "",
        stored=last,
        is_cut_off=True,
        calls=tuple(call.id for call in answer.message.tool_calls) if answer else (),
    )


def place(history: History, since: int, conversation_id: str = "", above: str = "", first: int = 0) -> Place:
    """The messages from index `since` on as new ones.

    `above` is the stored key of the message before them; `first` is the position of the history's first message.
    """
    asked: list[Asked] = []
    if not above and since:
        above = FOREIGN + history.keys[since - 1]
    for index in range(since, len(history.said)):
        message, key = history.said[index], history.keys[index]
        if message.role == "assistant":
            key = FOREIGN + key
        elif message.role == "user" and (words := spoken(message.content)) != message.content.strip():
            message = msgspec.structs.replace(message, content=words)  # what was found for it is not what was said
        asked.append(Asked(message, key, above, first + index))
        above = key
    key = history.keys[-1] if history.keys else identity.ROOT
    return Place(conversation_id, tuple(asked), key, above, first + len(history.said))


def going_on(where: Place, history: History) -> Place:
    """The place of an answer that goes on with the last message, the assistant's own ("continue response").

    The client will send both as one message: so they are kept as one, beside the answer that was gone on from.
    """
    last = len(history.said) - 1
    if last < 0 or history.answer != last or history.said[last].tool_calls:
        return where
    parent, begun = history.parent(last), history.said[last].content
    asked = tuple(each for each in where.asked if each.position < where.position - 1)
    above = asked[-1].key if asked else "" if parent == identity.ROOT else parent
    return msgspec.structs.replace(
        where, asked=asked, key=parent, above=above, position=max(0, where.position - 1), begun=begun
    )


def path_to_head(records: Sequence[MessageRecord]) -> tuple[MessageRecord, ...]:
    """The messages that lead to the one said last, oldest first: one path through the tree of a conversation."""
    said = without_marks(records)
    return path_to(said, said[-1]) if said else ()
