"""Turns between two rounds of their client's tools: no run of theirs goes on, and yet they have not ended.

What the client does meanwhile cannot be seen. Such a turn is shown until something is said in its conversation, which
as a rule is the results; until its loop ends; or until so much time has gone by that the client must have given up.
"""

from __future__ import annotations

import msgspec

from thane.clock import Clock
from thane.conversations.conduct import Final
from thane.conversations.live import LiveRun
from thane.conversations.ticket import Ticket
from thane.memory.records import Span
from thane.turn import RunFinished


class Rounds:
    """By conversation: the last run of the turn, as it is shown. `seconds` is how long at most."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._open: dict[str, tuple[float, LiveRun]] = {}

    def note(self, ticket: Ticket, final: Final) -> None:
        """A run has ended. When it ended with calls for its client, its turn goes on."""
        if not isinstance(final, RunFinished) or not final.client_calls:
            return
        calls, run = {call.id for call in final.client_calls}, ticket.recorder.view("waiting")
        shown = msgspec.structs.replace(
            run,
            what="waiting for the client's tools",
            spans=tuple(_going(span) if span.call_id in calls else span for span in run.spans),
        )
        self._open.pop(ticket.conversation_id, None)
        self._open[ticket.conversation_id] = self._clock.time(), shown

    def over(self, conversation_id: str) -> None:
        """Something was said in the conversation, or its loop has ended."""
        self._open.pop(conversation_id, None)

    def view(self) -> tuple[LiveRun, ...]:
        """Those that may still go on, the one that waits longest first."""
        since = self._clock.time() - self._seconds
        for conversation_id in [each for each, (at, _) in self._open.items() if at <= since]:
            del self._open[conversation_id]
        return tuple(run for _, run in self._open.values())


def _going(span: Span) -> Span:
    """The client's call as what it is from where it stands: begun, and not done."""
    return msgspec.structs.replace(span, state="running", duration=None)
