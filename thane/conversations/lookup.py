"""Finds a request's conversation: asks the archive and memory, and lets `thane.conversations.identity` decide.

The archive is asked for every history: only it can tell that no other conversation holds the same node.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thane.clock import Clock
from thane.config import settings
from thane.conversations import identity
from thane.conversations.identity import FOREIGN, History
from thane.conversations.remembered import WINDOW, Remembered
from thane.memory.archive import Archive
from thane.memory.records import Holder, MessageRecord
from thane.turn import Caller, Message


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


class Lookup:
    """Finds conversations by id or by history."""

    def __init__(self, archive: Archive, remembered: Remembered, limits: settings.Conversations, clock: Clock) -> None:
        self._archive = archive
        self._remembered = remembered
        self._limits = limits
        self._clock = clock

    async def by_history(self, history: History, caller: Caller) -> Place:
        """The conversation that a request continues by what it says."""
        for index in history.answers(self._limits.history_lookups):
            holders = await self._holders(history, index)
            verdict = identity.choose(
                holders,
                caller,
                tool_round=history.is_tool_round,
                evidence=await self._evidence(history, caller, holders),
                now=self._clock.time(),
                home_assistant_idle_seconds=self._limits.home_assistant_idle_seconds,
            )
            if verdict.outcome == "found":
                return self._below(history, index, verdict.conversation_id)
            if verdict.outcome == "unsure":
                return place(history, history.answer + 1)
        return place(history, history.answer + 1, self._trimmed(history, caller))

    async def by_id(self, history: History, conversation_id: str) -> Place:
        """Where a request stands in a conversation that exists and that it names."""
        for index in history.answers(self._limits.history_lookups):
            holders = await self._holders(history, index)
            if any(holder.conversation_id == conversation_id for holder in holders):
                return self._below(history, index, conversation_id)
        return place(history, history.answer + 1, conversation_id)

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
            return place(history, index + 1, conversation_id, words.answer_key)
        return place(history, index + 1, conversation_id, history.keys[index])

    def _trimmed(self, history: History, caller: Caller) -> str:
        """The Home Assistant conversation of a history whose beginning is gone.

        No other client's: theirs may come back at any time, so that no one in memory can be known for the only one.
        """
        said = history.said[: history.answer + 1]
        if caller.channel != "ha" or not any(message.role == "user" for message in said):
            return ""
        idle_seconds = self._limits.home_assistant_idle_seconds
        return self._remembered.trimmed(identity.window(said, WINDOW), self._clock.time(), idle_seconds)


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
        asked.append(Asked(message, key, above, first + index))
        above = key
    key = history.keys[-1] if history.keys else identity.ROOT
    return Place(conversation_id, tuple(asked), key, above, first + len(history.said))


def path_to_head(records: Sequence[MessageRecord]) -> tuple[MessageRecord, ...]:
    """The messages that lead to the one said last, oldest first: one path through the tree of a conversation."""
    by_key = {record.key: record for record in records if record.key}
    path: list[MessageRecord] = []
    here = records[-1] if records else None
    while here is not None and len(path) < len(records):
        path.append(here)
        here = by_key.get(here.parent_key)
    return tuple(reversed(path))
