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
        self._to_come: dict[str, str] = {}  # by the conversation's id, or by channel and place of its first message
        self._begun: dict[str, str] = {}

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

        It names the chat, or quotes it: of chats that say the same so far, each gets the title. Often it is made before
        the first turn has been stored, or has come. Never raises.
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
            if not quoted.keys:
                return
            place, channel = quoted.keys[-1], turn.caller.channel
            found = {each.conversation_id for each in await self._archive.holders(place) if each.channel == channel}
            if begun := self._begun.get(f"{channel} {place}"):
                found.add(begun)
            nameless = [each for each in found if await self._has_first_words(each)]
            for each in nameless:
                await self._name(each, title, "model")
            if not nameless and quoted.answer < 0:
                self._keep(f"{channel} {place}", title)
        except Exception as error:  # noqa: BLE001 a title is worth no one's turn
            _log.warning("a title could not be kept", title=title, exc_info=error)

    def begin(self, conversation_id: str, channel: str, place: str) -> str:
        """A conversation begins with a message at `place` in the tree: the title that was made for it before, or "".

        One that is made while its first turn runs will find it, too. Each title is given out once.
        """
        where = f"{channel} {place}"
        self._begun.pop(where, None)
        self._begun[where] = conversation_id
        while len(self._begun) > _TITLES_TO_COME:
            del self._begun[next(iter(self._begun))]
        by_place = self._to_come.pop(where, "")
        return self._to_come.pop(conversation_id, "") or by_place

    async def _name(self, conversation_id: str, title: str, by: TitleBy) -> bool:
        if not await self._archive.name(conversation_id, title, by):
            return False
        live = self._live.get(conversation_id)
        if live is not None:
            live.rename(title, by)
        self._events.publish("agent", "conversation_changed", conversation_id=conversation_id, title=title, by=by)
        return True

    async def _has_first_words(self, conversation_id: str) -> bool:
        record = await self._archive.conversation(conversation_id)
        return record is not None and record.title_by == "words"

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
