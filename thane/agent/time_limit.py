"""How long a run may go on. Its end cuts a model step short at any moment, but never a tool: what a tool has begun in
the house is done, and the run ends before its next step. Tools have a limit of their own for that.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import trio


class TimeLimit:
    """`ends` is by trio's clock. Made when the run begins; `scope` is to be entered once, around all of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends = trio.current_time() + seconds
        self.scope = trio.CancelScope(deadline=self.ends)

    @property
    def left(self) -> float:
        """Seconds; 0 when the time is up."""
        return max(0.0, self.ends - trio.current_time())

    @contextmanager
    def tools(self, seconds: float) -> Generator[None]:
        """A step in which tools run that take at most `seconds` each, the last of them begun while there was time."""
        self.scope.deadline = max(self.ends, trio.current_time()) + seconds
        try:
            yield
        finally:
            self.scope.deadline = self.ends
