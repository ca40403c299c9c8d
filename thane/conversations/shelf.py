"""What becomes of a conversation beside what is said in it: its title, being put away, being deleted.

A title is at first the first words said. Open WebUI asks for a better one, which takes their place; a person's own
stays. Not here: the turns (`thane.conversations.tracker`), and the SQL (`thane.storage.conversation_list`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import structlog
import trio

from thane.conversations import housekeeping, identity
from thane.conversations.remembered import Remembered
from thane.conversations.roster import Roster
from thane.conversations.words import clean_title
from thane.errors import ClientError
from thane.events.event import Publisher
from thane.loops.registry import LoopRegistry
from thane.memory.archive import Archive
from thane.memory.records import ConversationRecord, TitleBy
from thane.turn import Turn

_log = structlog.get_logger("thane.conversations")

_TITLES_TO_COME = 200
"""Titles that are kept for chats that are not there yet: Open WebUI may ask for one before the first turn."""


class Shelf:
    """The conversations as things. Every method but `better_title` raises ClientError (404) for an unknown one."""

    def __init__(
        self,
        archive: Archive,
        live: Roster,
        remembered: Remembered,
        loops: LoopRegistry,
        events: Publisher,
        *,
        cancel: Callable[[str, str], Iterable[str]],
    ) -> None:
        self._archive = archive
        self._live = live
        self._remembered = remembered
        self._loops = loops
        self._events = events
        self._cancel = cancel
        self._to_come: dict[str, str] = {}

    async def rename(self, conversation_id: str, title: str) -> ConversationRecord:
        """Give a conversation the title that a person wants. Raises ClientError for an empty one."""
        if not (title := clean_title(title)):
            raise ClientError("title: give the conversation a name", code="invalid_title")
        if not await self._name(conversation_id, title, "person"):
            raise unknown()
        return await self._known(conversation_id)

    async def put_away(self, conversation_id: str, *, away: bool) -> ConversationRecord:
        """Leave a conversation out of the list, or take it back in. It goes on as before when someone speaks in it."""
        if not await self._archive.put_away(conversation_id, away=away):
            raise unknown()
        live = self._live.get(conversation_id)
        if live is not None:
            live.record = msgspec.structs.replace(live.record, archived=away)
        self._events.publish("agent", "conversation_changed", conversation_id=conversation_id, archived=away)
        return await self._known(conversation_id)

    async def delete(self, conversation_id: str, by: str) -> None:
        """Stop what runs in a conversation, and forget it: messages, runs, and how it is known again. Not its costs."""
        live = self._live.get(conversation_id)
        if live is None and await self._archive.conversation(conversation_id) is None:
            raise unknown()
        if live is not None:
            live.deleted = True
            self._cancel(conversation_id, by)
            if self._loops.get(live.loop.id) is not None:
                await self._loops.stop(live.loop.id, "deleted")
        with trio.CancelScope(shield=True):  # halfway would leave it in the list with no one to end it
            await self._archive.delete(conversation_id)
        self._remembered.forget(conversation_id)
        self._to_come.pop(conversation_id, None)
        self._events.publish("agent", "conversation_deleted", conversation_id=conversation_id, by=by)

    async def withdraw(self, conversation_ids: Iterable[str], reason: str) -> None:
        """Stop what runs in these conversations and forget what is known of them: their next turn reads them anew."""
        for conversation_id in conversation_ids:
            live = self._live.get(conversation_id)
            if live is not None and self._loops.get(live.loop.id) is not None:
                await self._loops.stop(live.loop.id, reason)
            self._remembered.forget(conversation_id)

    async def better_title(self, turn: Turn, answer: str) -> None:
        """Take the title that Open WebUI had made for a chat, for each conversation that it can be meant for.

        It names the chat, or quotes it: of chats that say the same so far, each gets the title. Never raises.
        """
        title = clean_title(housekeeping.title_of(answer))
        if not title:
            return
        try:
            if named := identity.explicit_id(turn.caller):
                if not await self._name(named, title, "model"):
                    self._keep(named, title)
                return
            quoted = identity.read(housekeeping.quoted(turn))
            holders = await self._archive.holders(quoted.keys[-1]) if quoted.answer >= 0 else ()
            for holder in holders:
                if holder.channel == turn.caller.channel:
                    await self._name(holder.conversation_id, title, "model")
        except Exception as error:  # noqa: BLE001 a title is worth no one's turn
            _log.warning("a title could not be kept", title=title, exc_info=error)

    def title_to_come(self, conversation_id: str) -> str:
        """A title that was made before the conversation's first turn; "" if there is none. Given out once."""
        return self._to_come.pop(conversation_id, "")

    async def _name(self, conversation_id: str, title: str, by: TitleBy) -> bool:
        if not await self._archive.name(conversation_id, title, by):
            return False
        live = self._live.get(conversation_id)
        if live is not None:
            live.rename(title, by)
        self._events.publish("agent", "conversation_changed", conversation_id=conversation_id, title=title, by=by)
        return True

    def _keep(self, conversation_id: str, title: str) -> None:
        self._to_come[conversation_id] = title
        while len(self._to_come) > _TITLES_TO_COME:
            del self._to_come[next(iter(self._to_come))]

    async def _known(self, conversation_id: str) -> ConversationRecord:
        record = await self._archive.conversation(conversation_id)
        if record is None:
            raise unknown()
        return record


def unknown() -> ClientError:
    return ClientError("conversation not found", status=404, code="conversation_not_found")
