"""Finds where a turn belongs: in the conversation that it names, in a live one, or in one that its history leads to.

What a history says is decided by `thane.conversations.identity`, looked up by `thane.conversations.lookup`; here is
only in which order they are asked.
"""

from __future__ import annotations

from thane.conversations import identity
from thane.conversations.identity import History
from thane.conversations.lookup import Lookup, Place, going_on, place
from thane.conversations.roster import Roster
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord
from thane.turn import Turn


class Finder:
    """Knows the live conversations and those of the archive."""

    def __init__(self, archive: Archive, live: Roster, lookup: Lookup) -> None:
        self._archive = archive
        self._live = live
        self._lookup = lookup

    async def find(self, turn: Turn) -> tuple[Place, ConversationRecord | None]:
        """Where a turn belongs, and the record of that conversation if it is known."""
        history = identity.read(turn.messages)
        where, record = await self._find_by(turn, history)
        return going_on(where, history), record

    async def _find_by(self, turn: Turn, history: History) -> tuple[Place, ConversationRecord | None]:
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
