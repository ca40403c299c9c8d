"""What Thane leans on, and whether it answers: the report behind `/health`, and the probes that keep it true.

A dependency that answered counts as down only after `health.failures` failed probes in a row; one good probe makes it
ready again. While it is down it is probed with growing pauses, so that a recovery is seen soon.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
import trio

from thane.backoff import pause
from thane.clock import Clock, iso
from thane.config import settings
from thane.events.event import Publisher

DATABASE = "database"
"""The dependency without which nothing can be stored, so that no turn is taken."""


class Dependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """One dependency as the report shows it. Times are RFC 3339; `latency_ms` is that of the last good probe."""

    name: str
    ready: bool
    last_check: str = ""
    last_error: str = ""
    since: str = ""
    latency_ms: float | None = None


class HealthReport(msgspec.Struct, frozen=True):
    """`degraded` when a dependency is not ready; `draining` once the shutdown began."""

    status: Literal["healthy", "degraded", "draining"]
    dependencies: dict[str, Dependency]


class Health:
    """The state of all dependencies. Reading is synchronous and cheap."""

    def __init__(self, limits: settings.Health, clock: Clock, events: Publisher, source: random.Random) -> None:
        self._limits = limits
        self._clock = clock
        self._events = events
        self._random = source
        self._dependencies: dict[str, Dependency] = {}
        self._resting: dict[str, trio.Event] = {}  # set, it ends the pause before the next probe
        self._looked: dict[str, trio.Event] = {}  # set after the next probe
        self.draining = False

    def report(self) -> HealthReport:
        ready = all(dependency.ready for dependency in self._dependencies.values())
        status = "draining" if self.draining else "healthy" if ready else "degraded"
        return HealthReport(status, dict(self._dependencies))

    def down(self) -> dict[str, str]:
        """What does not answer, each with the last error."""
        return {each.name: each.last_error for each in self._dependencies.values() if not each.ready}

    def mark(self, name: str, *, ready: bool, error: str = "", latency: float | None = None) -> None:
        """Record what is known of a dependency; a change is published. `latency` is in seconds."""
        now = iso(self._clock.time())
        before = self._dependencies.get(name)
        changed = before is None or before.ready != ready
        milliseconds = round(latency * 1000, 2) if latency is not None else None
        self._dependencies[name] = Dependency(
            name, ready, now, error, now if changed else before.since if before else now, milliseconds
        )
        if changed and ready:
            self._events.publish("health", "dependency_ready", name=name, latency_ms=milliseconds)

    async def watch(self, name: str, probe: Callable[[], Awaitable[object]]) -> None:
        """Probe a dependency for ever. A probe that raises or takes too long has failed."""
        failures = 0
        while True:
            error, latency = await self._probe(probe)
            if not error:
                failures = 0
                self.mark(name, ready=True, latency=latency)
                await self._rest(name, self._limits.interval_seconds)
                continue
            failures += 1
            wait = pause(
                failures,
                initial=self._limits.retry_initial_seconds,
                maximum=self._limits.interval_seconds,
                jitter=0.1,
                source=self._random,
            )
            known = self._dependencies.get(name)
            if known is None or failures >= self._limits.failures:
                was_ready = known is None or known.ready
                self.mark(name, ready=False, error=error)
                if was_ready:
                    self._events.publish(
                        "health", "dependency_down", name=name, error=error, retry_in_ms=round(wait * 1000)
                    )
            await self._rest(name, wait)

    def suspect(self, name: str) -> bool:
        """Have a dependency probed at once; False where none of that name is watched."""
        resting = self._resting.get(name)
        if resting is not None:
            resting.set()
        return resting is not None

    async def check(self, name: str) -> bool:
        """Have a dependency probed, and wait until it was; False where none of that name is watched."""
        if name not in self._resting:
            return False
        looked = self._looked.setdefault(name, trio.Event())
        self.suspect(name)
        await looked.wait()
        return True

    async def _rest(self, name: str, seconds: float) -> None:
        """The pause between two probes."""
        if (looked := self._looked.pop(name, None)) is not None:
            looked.set()
        resting = self._resting[name] = trio.Event()
        with trio.move_on_after(seconds):
            await resting.wait()

    async def _probe(self, probe: Callable[[], Awaitable[object]]) -> tuple[str, float]:
        started = trio.current_time()
        try:
            with trio.fail_after(self._limits.timeout_seconds):
                await probe()
        except trio.TooSlowError:
            return f"it did not answer within {self._limits.timeout_seconds:g} s", 0.0
        except Exception as error:  # noqa: BLE001 whatever a probe raises means that the dependency does not work
            return str(error) or type(error).__name__, 0.0
        return "", trio.current_time() - started
