"""Wall-clock time, passed in wherever it is needed. Durations and deadlines use `trio.current_time()` instead."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since the epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        return time.time()


def iso(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-23T04:30:31.123456Z`."""
    return (
        f"{datetime.fromtimestamp(seconds, UTC).isoformat(timespec='microseconds')[:-6]}Z"  # a third of strftime's time
    )
