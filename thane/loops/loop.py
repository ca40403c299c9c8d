"""One loop: a named activity with a state, counters and a cancel scope of its own, that works again and again.

Three kinds. With a `wait`, it waits for something to happen, handles it, and waits again; with work alone it works and
sleeps; with neither it is a parent that only gives its children a place, and costs nothing. The work is a function, or
a task for a model. What fails in it never takes anything else with it: the error is counted, published and followed by
a pause.

Who runs loops, and which there are, is `thane.loops.registry`; what one is made of, `thane.loops.spec`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import structlog
import trio

from thane.clock import Clock, iso
from thane.events.event import Publisher
from thane.loops import iteration as iterations
from thane.loops.iteration import EndLoop, Iteration, IterationFailed, Wake
from thane.loops.pace import go_duration, next_sleep
from thane.loops.spec import Handler, LoopSpec, config, without_work
from thane.loops.status import LoopState, LoopStatus
from thane.loops.tally import Tally
from thane.loops.task import Runner, task_handler

__all__ = ["EndLoop", "Iteration", "IterationFailed", "Loop", "LoopSpec", "Wake"]

_log = structlog.get_logger("thane.loops")


class Loop:
    """A loop that was made from a spec. Raises ValueError for one that makes no sense, or a task without a `runner`."""

    def __init__(
        self,
        spec: LoopSpec,
        *,
        loop_id: str,
        events: Publisher,
        clock: Clock,
        source: random.Random,
        recent: int,
        runner: Runner | None = None,
    ) -> None:
        spec.check()
        self.id = loop_id
        self.name = spec.name
        self.parent_id = spec.parent_id
        self.stop_reason = ""
        self._spec = spec
        self._is_timer = spec.is_timer
        self._events = events
        self._clock = clock
        self._random = source
        self._tally = Tally(spec, clock, recent)
        self._handler = self._choose_handler(runner)
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._triggered = trio.Event()
        self._round_scope = trio.CancelScope()
        self._spawn: Callable[[], None] | None = None  # has another iteration beside those of this round
        self._coming = 0  # iterations that were spawned and have not begun
        self._began = False
        self._announced = False
        self._attempts_before = self._tally.attempts  # in an earlier life of the loop: no part of its limit
        self._state: LoopState = "pending"
        self._state_since = clock.time()
        self._state_changes = 0
        self._started_at: float | None = None
        self._next_wake_at: float | None = None
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

    def trigger(self) -> bool:
        """End the sleep of a timer loop. While it works, `on_retrigger` says what comes of it (`LoopSpec`).

        Returns whether anything does.
        """
        if not self._is_timer or self._ended.is_set():
            return False
        if self._state == "processing":
            match self._spec.on_retrigger:
                case "single":
                    return False
                case "spawn":
                    return self._spawn_another()
                case "restart":
                    self._round_scope.cancel("triggered again")
                case "queue":
                    pass
        self._triggered.set()
        return True

    def announce(self) -> None:
        """Publish that it has started, once: whoever spawns loops does so in the order of their making, which is not
        that in which their tasks come to run."""
        if not self._announced:
            self._announced = True
            self._started_at = self._clock.time()
            self.publish("loop_started", parent_id=self.parent_id)

    def rename(self, name: str, **about: object) -> None:
        """Give it another name; `about` is told along, such as the title that the name was made from."""
        if name != self.name:
            before, self.name = self.name, name
            self.publish("loop_renamed", before=before, **about)

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

    async def run(self) -> None:
        """Live until stopped, finished or cancelled. Raises nothing but cancellation; runs once."""
        if self._began:
            raise RuntimeError(f"the loop {self.name!r} was started already")
        self._began = True
        structlog.contextvars.bind_contextvars(loop_id=self.id, loop=self.name)  # for the task, which is the loop's
        reason = "cancelled"
        try:
            self.announce()
            with self._scope:
                reason = await self._live()
        finally:
            self._next_wake_at = None
            self._llm_context = None
            self.stop_reason = self.stop_reason or reason
            self.enter("stopped")
            counts = {"iterations": self._tally.iterations, "attempts": self._tally.attempts}
            self.publish("loop_stopped", **counts, reason=self.stop_reason)
            self._ended.set()
            if self._spec.ended is not None:
                self._spec.ended(self.stop_reason)
            # What it worked for knows it: apart, both go at once, where else they would wait for a search for cycles.
            self._spec, self._handler = without_work(self._spec), None

    def status(self) -> LoopStatus:
        """A copy of how it stands."""
        spec, tally = self._spec, self._tally
        return LoopStatus(
            id=self.id,
            name=self.name,
            state=self._state,
            parent_id=self.parent_id or None,
            started_at=_when(self._started_at),
            last_wake_at=_when(tally.last_wake_at),
            next_wake_at=_when(self._next_wake_at),
            iterations=tally.iterations,
            attempts=tally.attempts,
            total_input_tokens=tally.input_tokens,
            total_output_tokens=tally.output_tokens,
            last_input_tokens=tally.last_tokens[0],
            last_output_tokens=tally.last_tokens[1],
            context_window=self._context_window(),
            last_error=tally.last_error,
            consecutive_errors=tally.errors,
            queued=0 if spec.queued is None else spec.queued(),
            recent_conv_ids=tuple(tally.conversations),
            recent_iterations=tuple(tally.recent),
            handler_only=spec.task is None,
            event_driven=not self._is_timer,
            state_since=self._state_since,
            metadata=dict(spec.metadata),
            llm_context=None if self._llm_context is None else dict(self._llm_context),
            config=config(spec, self.name),
            context_tokens=tally.context_tokens,
            total_cost_usd=round(tally.cost_usd, 6),
            last_supervisor_iter=tally.last_supervisor,
        )

    def _context_window(self) -> int:
        """Of the model used last. After a restart it is known as soon as its provider has answered."""
        tally, window_of = self._tally, self._spec.window_of
        if tally.context_window or window_of is None or not tally.recent:
            return tally.context_window
        return window_of(tally.recent[0].model)

    def _choose_handler(self, runner: Runner | None) -> Handler | None:
        if self._spec.task is None:
            return self._spec.handler
        if runner is None:
            raise ValueError(f"the loop {self.name!r} has a task, and there is nobody to do it")
        return task_handler(self._spec, self.id, lambda: self.name, runner)

    async def _live(self) -> str:
        """Work until there is nothing more to do, and say why."""
        handler, pace = self._handler, self._spec.pace
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
                if self._is_used_up:
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
        if self._spec.on_retrigger == "spawn":
            return await self._work_side_by_side(handler, wake)
        return await self._work(handler, wake)

    @property
    def _is_used_up(self) -> bool:
        """Whether it has made as many attempts as it may."""
        most = self._spec.pace.max_iterations
        return bool(most) and self._tally.attempts - self._attempts_before + self._coming >= most

    def _spawn_another(self) -> bool:
        if self._spawn is None or self._is_used_up:
            return False
        self._coming += 1
        self._spawn()
        return True

    async def _work_side_by_side(self, handler: Handler, wake: Wake) -> float | None:
        """An iteration, and those that are triggered meanwhile. Returns the pause after all of them: that of the last.

        Raises EndLoop when one of them asks for the end; the others are stopped then.
        """
        pauses, ends = list[float | None](), list[EndLoop]()

        async def work() -> None:
            try:
                pauses.append(await self._work(handler, wake))
            except EndLoop as end:
                ends.append(end)
                nursery.cancel_scope.cancel("the loop ends")

        async def another() -> None:
            self._coming -= 1
            await work()

        try:
            async with trio.open_nursery() as nursery:
                self._spawn = lambda: nursery.start_soon(another, name=f"another iteration of {self.name}")
                await work()
        finally:
            self._spawn = None
        if ends:
            raise ends[0]
        return pauses[-1]

    async def _work(self, handler: Handler, wake: Wake) -> float | None:
        """One iteration. Returns the seconds to pause after it, None for no pause."""
        iteration, began = self._begin(wake), trio.current_time()
        token = iterations.current.set(iteration)
        try:
            with trio.CancelScope() as self._round_scope:
                await handler(iteration)
            if self._round_scope.cancelled_caught:
                iteration.summary["restarted"] = True
        except EndLoop:
            self._complete(iteration, trio.current_time() - began, None)
            raise
        except Exception as error:  # noqa: BLE001 the border behind which no loop's crash escapes
            await trio.lowlevel.checkpoint_if_cancelled()  # what breaks because it is being stopped is no error
            ids = {"conversation_id": iteration.conversation_id, "run_id": iteration.run_id}
            pause = self._fail(error, "handler", iteration.next_sleep, **ids)
            self._tally.failed(iteration, trio.current_time() - began, pause)
        else:
            pause = next_sleep(self._spec.pace, 0, iteration.next_sleep, self._random) if self._is_timer else None
            self._complete(iteration, trio.current_time() - began, pause)
            await self._after(iteration)
        finally:
            iterations.current.reset(token)
            iteration.payload = None  # it may know the iteration, and both are over
            self._llm_context = None
        return pause

    def _begin(self, wake: Wake) -> Iteration:
        supervision, tally = self._spec.supervision, self._tally
        tally.attempts += 1
        self._next_wake_at = None
        iteration = Iteration(
            wake,
            tally.attempts,
            self._clock.time(),
            loop_id=self.id,
            loop_name=self.name,
            supervisor=supervision.enabled and self._random.random() < supervision.probability,
            progress=self._progress,
            stopping=lambda: self.stop_reason,
        )
        if not iteration.conversation_id:
            iteration.conversation_id = f"loop-{self.name}-{tally.attempts}-{int(iteration.started_at * 1000)}"
        tally.begun(iteration)
        self.enter("processing")
        iteration.progress("loop_iteration_start", supervisor=iteration.supervisor, attempt=tally.attempts)
        return iteration

    def _progress(self, iteration: Iteration, kind: str, data: dict[str, object]) -> None:
        """Publish an event that belongs to an iteration."""
        if kind == "loop_llm_start":
            self._llm_context = dict(data)
        self.publish(kind, conversation_id=iteration.conversation_id, run_id=iteration.run_id, **data)

    def _complete(self, iteration: Iteration, elapsed: float, pause: float | None) -> None:
        self._tally.done(iteration, elapsed, pause)
        iteration.progress(
            "loop_iteration_complete",
            model=iteration.model,
            input_tokens=iteration.input_tokens,
            output_tokens=iteration.output_tokens,
            cost_usd=iteration.cost_usd,
            context_window=iteration.context_window,
            elapsed_ms=round(elapsed * 1000),
            tools_used=dict(iteration.tools_used),
            supervisor=iteration.supervisor,
            summary=dict(iteration.summary),
        )

    async def _after(self, iteration: Iteration) -> None:
        if self._spec.after is None:
            return
        try:
            await self._spec.after(iteration)
        except Exception as error:  # noqa: BLE001 the iteration has succeeded, whatever comes of it
            _log.error("what follows an iteration failed", exc_info=error)

    def _fail(self, error: Exception, phase: str, requested: float | None, **ids: str) -> float | None:
        """Count and publish an error. Returns the pause that follows it."""
        tally = self._tally
        tally.error(error)
        expected = isinstance(error, IterationFailed)
        if not expected:
            _log.error("a loop failed", phase=phase, exc_info=error)
        pause: float | None = None
        if self._is_timer or not expected:
            pause = next_sleep(self._spec.pace, tally.errors, requested, self._random)
        self.enter("error")
        self.publish(
            "loop_error",
            error=tally.last_error,
            phase=phase,
            consecutive_errors=tally.errors,
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
        with trio.move_on_after(seconds):
            await self._triggered.wait()
        self._triggered = trio.Event()
        self._next_wake_at = None


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)
