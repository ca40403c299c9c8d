"""Ends silent sessions and has the ended ones described, in the background, a few at a time."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from thane.config import settings as config
from thane.conversations import summaries
from thane.conversations.asking import Asked, ask
from thane.memory.sessions import SessionRecord, Sessions

_log = structlog.get_logger("thane.conversations")


class Summariser:
    """A branch of the task tree. It keeps nothing: what is still to be described, the archive knows."""

    def __init__(
        self, sessions: Sessions, conversations: Asked, settings: config.Archive, *, able: Callable[[], bool]
    ) -> None:
        """`able` tells whether there is a model to ask."""
        self._sessions = sessions
        self._conversations = conversations
        self._settings = settings
        self._able = able

    async def run(self) -> None:
        """Look at once, then every `archive.summarize_interval` seconds, for ever."""
        while True:
            await self.look()
            await trio.sleep(self._settings.summarize_interval)

    async def look(self) -> int:
        """One look; how many sessions were described."""
        ended = await self._sessions.end_idle()
        if ended:
            _log.debug("silent sessions were closed", sessions=ended)
        bare = await self._sessions.bare(self._settings.summarize_batch)
        for place, session in enumerate(bare):
            if place:
                await trio.sleep(self._settings.summarize_pause_seconds)
            await self._describe(session)
        return len(bare)

    async def _describe(self, session: SessionRecord) -> None:
        settings = self._settings
        messages = await self._sessions.messages(session.id)
        found = None
        if self._able():
            turn = summaries.question(messages, settings.summarize_chars, settings.metadata_model)
            with trio.move_on_after(settings.summarize_timeout):
                found = summaries.described(await ask(self._conversations, turn))
        await self._sessions.describe(session.id, found or summaries.extract(messages))
