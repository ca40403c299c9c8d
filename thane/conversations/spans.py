"""The waterfall of one run as it grows: its waiting, its model steps and its tools, open ones and closed ones.

It only keeps; what it is told comes from the recorder. Times are the clock's, durations trio's.
"""

from __future__ import annotations

from typing import Any, Literal

import trio

from thane.clock import Clock
from thane.memory.records import Span, SpanKind

type SpanEnd = Literal["done", "error"]


class OpenSpan:
    """A span until it has ended, and after. `about` are the further fields of `Span`."""

    def __init__(self, kind: SpanKind, name: str, at: float, **about: Any) -> None:
        self.kind: SpanKind = kind
        self.name = name
        self.at = at
        self.about = about
        self.began = trio.current_time()
        self.duration: float | None = None
        self.state: Literal["running", "done", "error"] = "running"

    def end(self, state: SpanEnd, duration: float | None = None, **about: Any) -> None:
        """Only the first end counts."""
        if self.duration is None:
            self.duration = trio.current_time() - self.began if duration is None else duration
            self.state = state
            self.about |= about

    def view(self) -> Span:
        return Span(self.kind, self.name, self.at, self.duration, self.state, **self.about)


class Spans:
    """All spans of a run, in the order in which they began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: list[OpenSpan] = []

    def open(self, kind: SpanKind, name: str, **about: Any) -> OpenSpan:
        span = OpenSpan(kind, name, self._clock.time(), **about)
        self._all.append(span)
        return span

    def close_all(self, state: SpanEnd) -> None:
        """End what is open."""
        for span in self._all:
            span.end(state)

    def view(self) -> tuple[Span, ...]:
        return tuple(span.view() for span in self._all)
