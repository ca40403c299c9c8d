"""What a loop has done, counted: the figures and the recent iterations of its status."""

from __future__ import annotations

from collections import deque

from thane.clock import Clock, iso
from thane.loops.iteration import Iteration
from thane.loops.spec import LoopSpec, Past
from thane.loops.status import IterationSnapshot


class Tally:
    """Counts from what the loop has done before (`LoopSpec.past`). `recent` iterations and conversations are kept."""

    def __init__(self, spec: LoopSpec, clock: Clock, recent: int) -> None:
        past: Past = spec.past
        self._clock = clock
        self._wait_after = not spec.is_timer
        self.iterations = past.iterations
        self.attempts = past.attempts
        self.input_tokens = past.input_tokens
        self.output_tokens = past.output_tokens
        self.cost_usd = past.cost_usd
        last = past.recent[0] if past.recent else None
        self.last_tokens = (last.input_tokens, last.output_tokens) if last else (0, 0)
        self.last_wake_at = past.last_wake_at
        self.last_supervisor = 0
        self.context_tokens = past.context_tokens
        self.context_window = 0
        self.last_error = last.error if last else ""
        self.errors = 0
        self.conversations: deque[str] = deque(past.conversations[:recent], maxlen=recent)
        self.recent: deque[IterationSnapshot] = deque(past.recent[:recent], maxlen=recent)

    def begun(self, iteration: Iteration) -> None:
        """An iteration has begun; `attempts` was counted up for it."""
        self.last_wake_at = iteration.started_at
        if iteration.supervisor:
            self.last_supervisor = self.iterations + 1
        if iteration.conversation_id in self.conversations:
            self.conversations.remove(iteration.conversation_id)
        self.conversations.appendleft(iteration.conversation_id)

    def done(self, iteration: Iteration, elapsed: float, pause: float | None) -> None:
        """An iteration has succeeded, after `elapsed` seconds; the loop now sleeps for `pause`, or waits (None)."""
        self.iterations += 1
        self.errors = 0
        self._spent(iteration)
        self._note(iteration, elapsed, pause, number=self.iterations)

    def failed(self, iteration: Iteration, elapsed: float, pause: float | None) -> None:
        """An iteration has failed: `error` was counted for it. What it used up is used up all the same."""
        self._spent(iteration)
        self._note(iteration, elapsed, pause, error=self.last_error)

    def error(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = str(error) or type(error).__name__

    def _spent(self, iteration: Iteration) -> None:
        self.last_tokens = (iteration.input_tokens, iteration.output_tokens)
        self.input_tokens += iteration.input_tokens
        self.output_tokens += iteration.output_tokens
        self.cost_usd += iteration.cost_usd or 0.0
        self.context_tokens = iteration.context_tokens or self.context_tokens
        self.context_window = iteration.context_window or self.context_window

    def _note(
        self, iteration: Iteration, elapsed: float, pause: float | None, *, number: int = 0, error: str = ""
    ) -> None:
        self.recent.appendleft(
            IterationSnapshot(
                number=number,
                started_at=iso(iteration.started_at),
                completed_at=iso(self._clock.time()),
                elapsed_ms=round(elapsed * 1000),
                conv_id=iteration.conversation_id,
                run_id=iteration.run_id,
                model=iteration.model,
                input_tokens=iteration.input_tokens,
                output_tokens=iteration.output_tokens,
                cost_usd=iteration.cost_usd,
                context_window=iteration.context_window,
                tools_used=dict(iteration.tools_used),
                supervisor=iteration.supervisor,
                error=error,
                sleep_after_ms=round(pause * 1000) if pause is not None else 0,
                wait_after=self._wait_after,
                summary=dict(iteration.summary),
            )
        )
