"""The live conversations: which there are, and the loop of each, under that of its channel.

What runs in them, and what becomes of the turns that wait when one ends, is the tracker's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from thane.config import settings
from thane.conversations.conversation import Conversation, Slots
from thane.conversations.revival import past
from thane.conversations.words import loop_name
from thane.loops.loop import Iteration, Loop, LoopSpec
from thane.loops.pace import Pace
from thane.loops.registry import LoopRegistry
from thane.loops.spec import Past
from thane.memory.lately import Lately
from thane.memory.records import ConversationRecord
from thane.turn import Channel

CHANNELS: tuple[Channel, ...] = ("owu", "ha", "api")
_AFTER_CRASH = Pace(sleep_min_seconds=0.1, sleep_default_seconds=0.25, sleep_max_seconds=10.0)


class Roster:
    """Live conversations by id. `run` takes one turn of one; `ended` is told when a loop has ended, and why.
    `context_of` tells how many tokens a model can take."""

    def __init__(
        self,
        limits: settings.Conversations,
        loops: LoopRegistry,
        slots: Slots,
        *,
        run: Callable[[Conversation, Iteration], Awaitable[object]],
        ended: Callable[[Conversation, str], None],
        context_of: Callable[[str], int],
    ) -> None:
        self._limits = limits
        self._loops = loops
        self._slots = slots
        self._run = run
        self._told_ended = ended
        self._context_of = context_of
        self._parents: dict[Channel, Loop] = {}
        self._live: dict[str, Conversation] = {}  # the one that was used last comes last
        for channel in CHANNELS:
            self._parent(channel)

    def __len__(self) -> int:
        return len(self._live)

    def ids(self) -> frozenset[str]:
        return frozenset(self._live)

    def get(self, conversation_id: str) -> Conversation | None:
        return self._live.get(conversation_id)

    def is_live(self, conversation_id: str) -> bool:
        """Whether it has a loop that takes turns."""
        conversation = self._live.get(conversation_id)
        return conversation is not None and not conversation.closed and not conversation.loop.stop_reason

    def open(self, record: ConversationRecord, lately: Lately | None = None) -> Conversation:
        """The conversation, with a loop that takes turns: a new one where there is none, or where it is ending. That
        goes on counting from what was done `lately`."""
        if not self.is_live(record.id):
            return self._revive(record, past(lately) if lately else None)
        return self._live[record.id]

    def used(self, conversation: Conversation) -> None:
        """It was used just now: the others make room before it does."""
        if self._live.get(conversation.record.id) is conversation:
            self._live[conversation.record.id] = self._live.pop(conversation.record.id)

    def restore(self, lately: Lately, idle_seconds: float) -> None:
        """Bring back a conversation that was spoken in this long ago, as it was when Thane ended."""
        if len(self._live) >= self._limits.max_live or lately.record.id in self._live:
            return
        conversation = self._revive(lately.record, past(lately))
        conversation.last_used = trio.current_time() - idle_seconds

    async def stop(self, reason: str) -> None:
        """Stop every conversation's loop, each channel's for at most `loops.stop_seconds`."""
        for parent in tuple(self._parents.values()):
            if self._loops.get(parent.id) is not None:  # else it was stopped, or the whole tree is being cancelled
                await self._loops.stop(parent.id, reason)

    def _revive(self, record: ConversationRecord, before: Past | None = None) -> Conversation:
        """A loop for a conversation that has none, new or known."""
        self._make_room()
        conversation = Conversation(record, self._limits, self._slots, self._is_crowded)
        parent = self._parent(record.channel)
        conversation.about |= {
            "subsystem": record.channel,
            "category": "conversation",
            "conversation_id": record.id,
            "title": record.title,
            "user": record.user,
            "area": record.area,
        }
        conversation.loop = self._loops.spawn(
            LoopSpec(
                name=loop_name(record.channel, record.title),
                handler=partial(self._run, conversation),
                wait=conversation.next,
                pace=_AFTER_CRASH,
                parent_id=parent.id,
                metadata=conversation.about,
                ended=partial(self._ended, conversation),
                queued=lambda: conversation.queued,
                window_of=self._context_of,
                past=before or Past(),
            )
        )
        self._live[record.id] = conversation
        return conversation

    def _make_room(self) -> None:
        """End the loop that was idle longest, where there are as many as there may be.

        Where all are busy there is one more for a while: turns are bounded by the connections that bring them.
        """
        if len(self._live) < self._limits.max_live:
            return
        oldest = next((conversation for conversation in self._live.values() if conversation.is_idle), None)
        if oldest is not None:
            oldest.closed = True
            del self._live[oldest.record.id]
            oldest.loop.stop("crowded")

    def _is_crowded(self) -> bool:
        return len(self._live) > self._limits.max_live

    def _ended(self, conversation: Conversation, reason: str) -> None:
        if self._live.get(conversation.record.id) is conversation:
            del self._live[conversation.record.id]
        self._told_ended(conversation, reason)

    def _parent(self, channel: Channel) -> Loop:
        """The loop that a channel's conversations stand under; a new one if it was stopped."""
        loop = self._parents.get(channel)
        if loop is None or self._loops.get(loop.id) is None or loop.stop_reason:
            metadata = {"subsystem": channel, "category": "channel"}
            loop = self._parents[channel] = self._loops.spawn(LoopSpec(name=channel, metadata=metadata))
        return loop
