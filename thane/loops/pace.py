"""How a loop paces itself: its bounds, the next sleep, back-off and jitter. Pure; randomness is passed in.

The numbers are the reference's (REFERENCE 4.2 and 4.4): a sleep is doubled once for each consecutive error until it
reaches the longest one, kept within the bounds, spread by the jitter, and kept within the bounds again.
"""

from __future__ import annotations

import random

import msgspec

from thane import backoff


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a loop's pauses, in seconds, and of its life. 0 is "no limit" for the last two."""

    sleep_min_seconds: float = 30.0
    sleep_max_seconds: float = 300.0
    sleep_default_seconds: float = 60.0
    jitter: float = 0.2
    max_duration_seconds: float = 0.0
    max_iterations: int = 0
    """Counts attempts, failed ones too."""

    def check(self) -> None:
        """Raise ValueError, naming the field, where a bound makes no sense."""
        if self.sleep_min_seconds <= 0:
            raise ValueError(f"sleep_min_seconds must be above 0, not {self.sleep_min_seconds}")
        if self.sleep_max_seconds < self.sleep_min_seconds:
            raise ValueError(
                f"sleep_max_seconds ({self.sleep_max_seconds}) is below sleep_min_seconds ({self.sleep_min_seconds})"
            )
        if self.sleep_default_seconds <= 0:
            raise ValueError(f"sleep_default_seconds must be above 0, not {self.sleep_default_seconds}")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError(f"jitter must be between 0 and 1, not {self.jitter}")
        if self.max_duration_seconds < 0 or self.max_iterations < 0:
            raise ValueError("max_duration_seconds and max_iterations must not be negative")


def jittered(seconds: float, jitter: float, source: random.Random) -> float:
    """`seconds` times 1 ± `jitter`, evenly spread; no jitter draws no random number."""
    return seconds * (1.0 + jitter * source.uniform(-1.0, 1.0)) if jitter else seconds


def next_sleep(pace: Pace, errors: int, requested: float | None, source: random.Random) -> float:
    """Seconds until the next iteration. `requested` is what the last one asked for, in place of the default."""
    seconds = pace.sleep_default_seconds if requested is None else requested
    seconds = _within(pace, backoff.pause(errors + 1, initial=seconds, maximum=pace.sleep_max_seconds, source=source))
    return _within(pace, jittered(seconds, pace.jitter, source))


def go_duration(seconds: float) -> str:
    """A duration as Go writes it, to a millisecond: `1m2.3s`, `1h0m5s`, `250ms`, `0s`."""
    ms = round(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{rest}"
    return f"{minutes}m{rest}" if minutes else rest


def _within(pace: Pace, seconds: float) -> float:
    return min(max(seconds, pace.sleep_min_seconds), pace.sleep_max_seconds)
