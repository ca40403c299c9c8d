"""Thane's own questions to a model, in the background: they go the way of every other turn, so they are counted.

A turn whose `caller.task` is one of `housekeeping.OWN_TASKS` belongs to no conversation, has no tools, and goes to the
model that it names, or to the cheapest that is able. Without a model the answer is empty, and who asked does without.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from thane.conversations.tracker import OpenTurn
from thane.errors import ClientError
from thane.turn import RunFinished, Turn


class Asked(Protocol):
    """The side of `thane.conversations.tracker.Conversations` that takes turns."""

    def open(self, turn: Turn) -> AbstractAsyncContextManager[OpenTurn]: ...


async def ask(conversations: Asked, turn: Turn) -> str:
    """The answer's text; "" where there is no model, it failed, or Thane takes no more turns."""
    try:
        async with conversations.open(turn) as opened:
            async for batch in opened.batches:
                for event in batch:
                    if isinstance(event, RunFinished):
                        return event.text
    except ClientError:
        return ""
    return ""
