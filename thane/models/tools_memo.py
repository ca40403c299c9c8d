"""What is made of a prompt's tools, kept for the next prompt: nearly all have the same tools, not only equal ones."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_

from thane.turn import ToolSpec


class ToolsMemo[T]:
    """`make`, remembering its last result. Looking whether tools are the same objects costs less than their JSON."""

    def __init__(self, make: Callable[[tuple[ToolSpec, ...]], T]) -> None:
        self._make = make
        self._last: tuple[tuple[ToolSpec, ...], T] | None = None

    def __call__(self, tools: tuple[ToolSpec, ...]) -> T:
        last = self._last  # read once: other threads may replace it
        if last is not None:
            known, made = last
            if len(known) == len(tools) and all(map(is_, known, tools)):
                return made
        made = self._make(tools)
        self._last = tools, made
        return made
