"""One loop: a named activity with a state, counters and a cancel scope of its own, that works again and again.

Three kinds. With a `wait`, it waits for something to happen, handles it, and waits again; with a handler alone it
handles and sleeps; with neither it is a parent that only gives its children a place, and costs nothing. A handler that
fails never takes anything else with it: the error is counted, published and followed by a pause.

Who runs loops, and which there are, is `thane.loops.registry`.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
import trio

from thane.clock import Clock, iso
from thane.events.event import Publisher
from thane.loops.pace import Pace, go_duration, next_sleep
from thane.loops.status import IterationSnapshot, LoopState, LoopStatus

_log = structlog.get_logger("thane.loops")


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
    """One round of a loop as its handler sees it: what the handler learns about it goes into status and events."""

    def __init__(self, loop: Loop, wake: Wake, attempt: int, started_at: float) -> None:
        self._loop = loop
        self.attempt = attempt
        self.started_at = started_at  # epoch seconds
        self.conversation_id = wake.conversation_id
        self.run_id = wake.run_id
        self.payload = wake.payload
        self.model = ""
        self.input_tokens = 0
        self.output_tokens = 0
        self.context_window = 0
        self.tools_used: dict[str, int] = {}
        self.summary: dict[str, Any] = {}
        self.next_sleep: float | None = None
        """Seconds; set it to sleep once for another time than the default."""

    @property
    def stop_reason(self) -> str:
        """Why the loop is being stopped; "" while it is not."""
        return self._loop.stop_reason

    def progress(self, kind: str, /, **data: object) -> None:
        """Publish a loop event of this iteration. `loop_llm_start` also shows as the status' `llm_context`."""
        self._loop.progress(self, kind, data)


type Handler = Callable[[Iteration], Awaitable[object]]
type Wait = Callable[[], Awaitable[Wake]]


@dataclass(frozen=True, kw_only=True)
class LoopSpec:
    """What a loop is. `ended` is called once with the reason, whatever ended the loop, and must not block or raise."""

    name: str
    handler: Handler | None = None
    wait: Wait | None = None
    pace: Pace = field(default_factory=Pace)
    parent_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ended: Callable[[str], None] | None = None
    queued: Callable[[], int] | None = None  # how many things wait for this loop


class Loop:
    """A loop that was made from a spec. Raises ValueError for one that makes no sense."""

    def __init__(
        self, spec: LoopSpec, *, loop_id: str, events: Publisher, clock: Clock, source: random.Random, recent: int
    ) -> None:
        if not spec.name:
            raise ValueError("a loop needs a name")
        if spec.wait is not None and spec.handler is None:
            raise ValueError(f"the loop {spec.name!r} waits but has no handler")
        spec.pace.check()
        self.id = loop_id
        self.name = spec.name
        self.parent_id = spec.parent_id
        self.stop_reason = ""
        self._spec = spec
        self._events = events
        self._clock = clock
        self._random = source
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._began = False
        self._state: LoopState = "pending"
        self._state_since = clock.time()
        self._state_changes = 0
        self._started_at: float | None = None
        self._last_wake_at: float | None = None
        self._next_wake_at: float | None = None
        self._iterations = 0
        self._attempts = 0
        self._totals = [0, 0]
        self._last_tokens = (0, 0)
        self._context_window = 0
        self._last_error = ""
        self._errors = 0
        self._recent_conversations: deque[str] = deque(maxlen=recent)
        self._recent_iterations: deque[IterationSnapshot] = deque(maxlen=recent)
        self._llm_context: dict[str, Any] | None = None

    @property
    def state(self) -> LoopState:
        return self._state

    def stop(self, reason: str) -> None:
        """Cancel the loop, whatever it does; the first reason given counts. A loop that never ran will not."""
        self.stop_reason = self.stop_reason or reason
        self._scope.cancel(reason)

    async def wait_ended(self) -> None:
        await self._ended.wait()

    def enter(self, state: LoopState) -> None:
        """Go to a state; nothing happens when the loop is in it already."""
        if state == self._state:
            return
        self._state_changes += 1
        change: dict[str, object] = {"from": self._state, "to": state, "event_seq": self._state_changes}
        self._state = state
        self._state_since = self._clock.time()
        self.publish("loop_state_change", **change)

    def publish(self, kind: str, /, **data: object) -> None:
        """Publish an event of this loop."""
        self._events.publish("loop", kind, loop_id=self.id, loop_name=self.name, **data)

    def progress(self, iteration: Iteration, kind: str, data: dict[str, object]) -> None:
        """Publish an event that belongs to an iteration."""
        if kind == "loop_llm_start":
            self._llm_context = dict(data)
        self.publish(kind, conversation_id=iteration.conversation_id, run_id=iteration.run_id, **data)

    async def run(self) -> None:
        """Live until stopped, finished or cancelled. Raises nothing but cancellation; runs once."""
        if self._began:
            raise RuntimeError(f"the loop {self.name!r} was started already")
        self._began = True
        structlog.contextvars.bind_contextvars(loop_id=self.id, loop=self.name)  # for the task, which is the loop's
        reason = "cancelled"
        try:
            self._started_at = self._clock.time()
            self.publish("loop_started", parent_id=self.parent_id)
            with self._scope:
                reason = await self._live()
        finally:
            self._next_wake_at = None
            self._llm_context = None
            self.stop_reason = self.stop_reason or reason
            self.enter("stopped")
            self.publish("loop_stopped", iterations=self._iterations, attempts=self._attempts, reason=self.stop_reason)
            self._ended.set()
            if self._spec.ended is not None:
                self._spec.ended(self.stop_reason)

    def status(self) -> LoopStatus:
        """A copy of how it stands."""
        spec = self._spec
        return LoopStatus(
            id=self.id,
            name=self.name,
            state=self._state,
            parent_id=self.parent_id or None,
            started_at=_when(self._started_at),
            last_wake_at=_when(self._last_wake_at),
            next_wake_at=_when(self._next_wake_at),
            iterations=self._iterations,
            attempts=self._attempts,
            total_input_tokens=self._totals[0],
            total_output_tokens=self._totals[1],
            last_input_tokens=self._last_tokens[0],
            last_output_tokens=self._last_tokens[1],
            context_window=self._context_window,
            last_error=self._last_error,
            consecutive_errors=self._errors,
            queued=0 if spec.queued is None else spec.queued(),
            recent_conv_ids=tuple(self._recent_conversations),
            recent_iterations=tuple(self._recent_iterations),
            handler_only=True,
            event_driven=spec.wait is not None or spec.handler is None,
            state_since=self._state_since,
            metadata=dict(spec.metadata),
            llm_context=None if self._llm_context is None else dict(self._llm_context),
            config=_config(spec),
        )

    async def _live(self) -> str:
        """Work until there is nothing more to do, and say why."""
        handler, pace = self._spec.handler, self._spec.pace
        if handler is None:
            self.enter("waiting")
            await trio.sleep_forever()
            raise AssertionError("unreachable")
        with trio.move_on_after(pace.max_duration_seconds or math.inf):
            while True:
                await trio.lowlevel.checkpoint_if_cancelled()  # neither a wait nor a handler is bound to have one
                try:
                    pause = await self._round(handler)
                except EndLoop as end:
                    return end.reason
                if pace.max_iterations and self._attempts >= pace.max_iterations:
                    return "max_iterations"
                if pause is not None:
                    await self._sleep(pause)
        return "max_duration"

    async def _round(self, handler: Handler) -> float | None:
        """Wait, if this loop waits, and handle what came. Returns the seconds to pause after it, None for no pause."""
        wake = Wake()
        if self._spec.wait is not None:
            self.enter("waiting")
            self.publish("loop_wait_start")
            try:
                wake = await self._spec.wait()
            except EndLoop:
                raise
            except Exception as error:  # noqa: BLE001 the border behind which no loop's crash escapes
                return self._fail(error, "wait", None, conversation_id="", run_id="")
        iteration, began = self._begin(wake), trio.current_time()
        try:
            await handler(iteration)
        except EndLoop:
            self._complete(iteration, trio.current_time() - began, None)
            raise
        except Exception as error:  # noqa: BLE001 the border behind which no loop's crash escapes
            ids = {"conversation_id": iteration.conversation_id, "run_id": iteration.run_id}
            pause = self._fail(error, "handler", iteration.next_sleep, **ids)
            self._snapshot(iteration, trio.current_time() - began, pause, error=self._last_error)
        else:
            pause = next_sleep(self._spec.pace, 0, iteration.next_sleep, self._random) if self._is_timer else None
            self._complete(iteration, trio.current_time() - began, pause)
        finally:
            self._llm_context = None
        return pause

    def _begin(self, wake: Wake) -> Iteration:
        self._attempts += 1
        self._last_wake_at = now = self._clock.time()
        self._next_wake_at = None
        iteration = Iteration(self, wake, self._attempts, now)
        if not iteration.conversation_id:
            iteration.conversation_id = f"loop-{self.name}-{self._attempts}-{int(now * 1000)}"
        if iteration.conversation_id in self._recent_conversations:
            self._recent_conversations.remove(iteration.conversation_id)
        self._recent_conversations.appendleft(iteration.conversation_id)
        self.enter("processing")
        iteration.progress("loop_iteration_start", supervisor=False, attempt=self._attempts)
        return iteration

    def _complete(self, iteration: Iteration, elapsed: float, pause: float | None) -> None:
        self._iterations += 1
        self._errors = 0
        self._last_tokens = (iteration.input_tokens, iteration.output_tokens)
        self._totals[0] += iteration.input_tokens
        self._totals[1] += iteration.output_tokens
        self._context_window = iteration.context_window or self._context_window
        self._snapshot(iteration, elapsed, pause, number=self._iterations)
        iteration.progress(
            "loop_iteration_complete",
            model=iteration.model,
            input_tokens=iteration.input_tokens,
            output_tokens=iteration.output_tokens,
            context_window=iteration.context_window,
            elapsed_ms=round(elapsed * 1000),
            tools_used=dict(iteration.tools_used),
            supervisor=False,
            summary=dict(iteration.summary),
        )

    def _snapshot(
        self, iteration: Iteration, elapsed: float, pause: float | None, *, number: int = 0, error: str = ""
    ) -> None:
        self._recent_iterations.appendleft(
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
                context_window=iteration.context_window,
                tools_used=dict(iteration.tools_used),
                error=error,
                sleep_after_ms=round(pause * 1000) if pause is not None else 0,
                wait_after=not self._is_timer,
                summary=dict(iteration.summary),
            )
        )

    def _fail(self, error: Exception, phase: str, requested: float | None, **ids: str) -> float | None:
        """Count and publish an error. Returns the pause that follows it."""
        self._errors += 1
        self._last_error = str(error) or type(error).__name__
        expected = isinstance(error, IterationFailed)
        if not expected:
            _log.error("a loop failed", phase=phase, exc_info=error)
        pause: float | None = None
        if self._is_timer or not expected:
            pause = next_sleep(self._spec.pace, self._errors, requested, self._random)
        self.enter("error")
        self.publish(
            "loop_error",
            error=self._last_error,
            phase=phase,
            consecutive_errors=self._errors,
            retry_in_ms=round((pause or 0.0) * 1000),
            **ids,
        )
        return pause

    async def _sleep(self, seconds: float) -> None:
        self._next_wake_at = self._clock.time() + seconds
        if self._is_timer:
            self.enter("sleeping")
        self.publish(
            "loop_sleep_start",
            sleep_duration=go_duration(seconds),
            sleep_ms=round(seconds * 1000),
            wakes_at=iso(self._next_wake_at),
        )
        await trio.sleep(seconds)
        self._next_wake_at = None

    @property
    def _is_timer(self) -> bool:
        return self._spec.wait is None and self._spec.handler is not None


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _config(spec: LoopSpec) -> dict[str, Any]:
    """The reference's shape: its field names, durations in integer nanoseconds."""
    pace = spec.pace
    return {
        "Name": spec.name,
        "SleepMin": round(pace.sleep_min_seconds * 1e9),
        "SleepMax": round(pace.sleep_max_seconds * 1e9),
        "SleepDefault": round(pace.sleep_default_seconds * 1e9),
        "Jitter": pace.jitter,
        "MaxDuration": round(pace.max_duration_seconds * 1e9),
        "MaxIter": pace.max_iterations,
        "Metadata": dict(spec.metadata),
        "ParentID": spec.parent_id,
    }
