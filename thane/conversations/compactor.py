"""Compacts conversations that have outgrown their model's window, in the background, when nobody speaks in them.

The turn that found too little room is answered all the same (`thane.agent.window`); the next one is shown a summary in
the place of what falls out. How a conversation is compacted is `thane.conversations.covering`.
"""

from __future__ import annotations

from typing import Protocol

import structlog
import trio

from thane.conversations.covering import Covered
from thane.errors import ThaneError

_log = structlog.get_logger("thane.conversations")


class Compacts(Protocol):
    """`thane.conversations.covering.Covering`."""

    async def is_due(self, conversation_id: str) -> bool: ...

    async def compact(self, conversation_id: str) -> Covered: ...


class Compactor:
    """A branch of the task tree."""

    def __init__(self, covering: Compacts, outgrown: trio.MemoryReceiveChannel[str]) -> None:
        self._covering = covering
        self._outgrown = outgrown

    async def run(self) -> None:
        """Compact one after the other, as they come, for ever."""
        while True:
            await self._compact(await self._outgrown.receive())

    async def _compact(self, conversation_id: str) -> None:
        try:
            if not await self._covering.is_due(conversation_id):
                return
            covered = await self._covering.compact(conversation_id)
        except ThaneError as error:  # a turn goes on, or the disk is full: its next long turn asks again
            _log.info("a conversation was not compacted", conversation_id=conversation_id, error=str(error))
            return
        _log.info("a conversation was compacted", conversation_id=conversation_id, messages=covered.messages)
