"""Has a model look for facts worth remembering after a turn, in the background; only where the owner wants it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog
import trio

from thane.config import settings as config
from thane.conversations import extracting
from thane.conversations.asking import Asked, ask
from thane.conversations.summaries import transcript
from thane.errors import ClientError, ThaneError
from thane.memory.archive import Archive
from thane.memory.fact import Asker, Scope
from thane.memory.facts import Facts

_log = structlog.get_logger("thane.conversations")

_KNOWN = 40
"""Facts of the speaker that the model is told as known."""


class Extractor:
    """Looks at one run after the other. What it finds of a person is theirs; of nobody known, its conversation's."""

    def __init__(
        self,
        facts: Facts,
        archive: Archive,
        conversations: Asked,
        settings: config.Extraction,
        *,
        able: Callable[[], bool],
    ) -> None:
        """`able` tells whether there is a model to ask."""
        self._facts = facts
        self._archive = archive
        self._conversations = conversations
        self._settings = settings
        self._able = able

    async def look(self, run_id: str) -> int:
        """Look at a run that was answered; how many facts came of it. Never raises but when it is cancelled."""
        try:
            with trio.move_on_after(self._settings.timeout_seconds):
                return await self._look(run_id)
            _log.info("looking for facts took too long", run_id=run_id)
        except ThaneError as error:  # the disk: nothing is lost but a fact
            _log.warning("facts could not be looked for", run_id=run_id, error=str(error))
        return 0

    async def _look(self, run_id: str) -> int:
        run = await self._archive.run(run_id) if self._able() else None
        if run is None or run.task or run.parent_run_id or not run.conversation_id or run.state != "done":
            return 0
        conversation = await self._archive.conversation(run.conversation_id)
        messages = await self._archive.messages(run.conversation_id)
        mine = [each for each in messages if each.run_id == run_id]
        said = transcript(mine, self._settings.chars)
        asked = next((each.id for each in reversed(mine) if each.message.role == "user"), "")
        if conversation is None or len(messages) < self._settings.min_messages or not said:
            return 0
        scope: Scope = "person" if conversation.user else "conversation"
        subject = conversation.user or conversation.id
        asker = Asker(conversation.user, conversation.id)
        known = [fact for fact in await self._facts.recall(asker, "", limit=_KNOWN) if fact.scope == scope]
        lines = "\n".join(f"{fact.category} {fact.key}: {fact.value}" for fact in known)
        answer = await ask(self._conversations, extracting.question(said, lines, self._settings.model))
        kept = 0
        for found in extracting.found(answer, scope, subject, run_id, self._settings.most_facts):
            new = msgspec.structs.replace(found, message_id=asked)
            try:
                fact = await self._facts.remember(new)
            except ClientError as error:
                _log.debug("no fact", run_id=run_id, error=error.message)
            else:
                kept += fact.state == "current"  # one against what a person wrote is only proposed
        return kept
