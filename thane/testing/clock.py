"""A wall clock for tests that follows trio's clock, so that a `MockClock` moves both."""

from __future__ import annotations

import trio


class TrioClock:
    """`time()` is `start` plus what has passed on trio's clock since the first reading."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._zero: float | None = None

    def time(self) -> float:
        now = trio.current_time()
        if self._zero is None:
            self._zero = now
        return self._start + now - self._zero
