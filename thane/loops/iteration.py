"""One round of a loop, as whatever does the work sees it, and what may be said to the loop: wakes, ends, failures.

The loop that goes round is `thane.loops.loop`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec


class Wake(msgspec.Struct, frozen=True):
    """What a `wait` returns: the thing to handle, and the conversation and run that it belongs to, if any."""

    payload: Any = None
    conversation_id: str = ""
    run_id: str = ""


class EndLoop(Exception):  # noqa: N818 it is a request, not an error
    """Raised by a `wait` or a handler: the loop has nothing more to do. Not for failures."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IterationFailed(Exception):  # noqa: N818 it says what failed, as a sentence
    """Raised by a handler whose work failed in a way that it has dealt with itself.

    It is counted and published like any error, but an event-driven loop goes on at once: the next thing that happens
    is someone else's. Not for bugs; those are any other exception, and are followed by a pause.
    """


class Iteration:
    """One round: what the handler learns about it goes into the loop's status and events.

    `supervisor` says that this one was chosen to look at the work from above. `model`, tokens and the like are for the
    handler to set; `summary` holds whatever else is worth showing.
    """

    def __init__(
        self,
        wake: Wake,
        attempt: int,
        started_at: float,
        *,
        loop_id: str,
        loop_name: str,
        supervisor: bool,
        progress: Callable[[Iteration, str, dict[str, object]], None],
        stopping: Callable[[], str],
    ) -> None:
        self._progress = progress
        self._stopping = stopping
        self.loop_id = loop_id
        self.loop_name = loop_name
        self.attempt = attempt
        self.started_at = started_at  # epoch seconds
        self.supervisor = supervisor
        self.conversation_id = wake.conversation_id
        self.run_id = wake.run_id
        self.payload = wake.payload
        self.model = ""
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd: float | None = None  # None: not known
        self.context_tokens = 0
        """Of the last prompt and its answer: how full the model's `context_window` is."""
        self.context_window = 0
        self.tools_used: dict[str, int] = {}
        self.summary: dict[str, Any] = {}
        self.next_sleep: float | None = None
        """Seconds; set it to sleep once for another time than the default."""

    @property
    def stop_reason(self) -> str:
        """Why the loop is being stopped; "" while it is not."""
        return self._stopping()

    def progress(self, kind: str, /, **data: object) -> None:
        """Publish a loop event of this iteration. `loop_llm_start` also shows as the status' `llm_context`."""
        self._progress(self, kind, data)


current: ContextVar[Iteration | None] = ContextVar("thane_iteration", default=None)
"""The iteration that the running task works for, also in the tasks that it starts; None outside of loops. A tool finds
the loop by it that it is used in."""
