"""Keeps the branches of the task tree alive: a crash is caught at its branch, reported, and run again with back-off.

What must not be restarted (the database's writer, the root itself) is not run under it: its failure ends the program.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import structlog
import trio

from thane.backoff import pause
from thane.config import settings
from thane.events.event import Publisher

_log = structlog.get_logger("thane.supervisor")


class Supervisor:
    """Runs branches for ever. `restarts` counts them by branch."""

    def __init__(self, limits: settings.Supervisor, events: Publisher, source: random.Random) -> None:
        self._limits = limits
        self._events = events
        self._random = source
        self.restarts: dict[str, int] = {}

    async def run(self, branch: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` until it returns; after an exception run it again. Cancellation ends it."""
        failures = 0
        while True:
            started = trio.current_time()
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 the one place where a branch's crash of any kind is caught
                if trio.current_time() - started >= self._limits.backoff_reset_seconds:
                    failures = 0
                failures += 1
                self.restarts[branch] = self.restarts.get(branch, 0) + 1
                wait = pause(
                    failures,
                    initial=self._limits.backoff_initial_seconds,
                    maximum=self._limits.backoff_max_seconds,
                    jitter=0.1,
                    source=self._random,
                )
                _log.error("branch crashed", branch=branch, retry_in_seconds=round(wait, 3), exc_info=error)
                self._events.publish(
                    "system",
                    "branch_crashed",
                    branch=branch,
                    error=f"{type(error).__name__}: {error}",
                    retry_in_ms=round(wait * 1000),
                    restarts=self.restarts[branch],
                )
            await trio.sleep(wait)
            self._events.publish("system", "branch_restarted", branch=branch, restarts=self.restarts[branch])
