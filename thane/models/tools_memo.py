"""What is made of a prompt's tools, kept for the next prompt: nearly all have the same tools, not only equal ones."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_

from thane.turn import ToolSpec

_KEPT = 4  # offers that take turns: with and without the tool to delegate, with and without a client's


class ToolsMemo[T]:
    """`make`, remembering its last results. Looking whether tools are the same objects costs less than their JSON."""

    def __init__(self, make: Callable[[tuple[ToolSpec, ...]], T]) -> None:
        self._make = make
        self._made: tuple[tuple[tuple[ToolSpec, ...], T], ...] = ()  # the latest first

    def __call__(self, tools: tuple[ToolSpec, ...]) -> T:
        remembered = self._made  # read once: other threads may replace it
        for known, made in remembered:
            if known is tools or (len(known) == len(tools) and all(map(is_, known, tools))):
                return made
        made = self._make(tools)
        self._made = ((tools, made), *remembered[: _KEPT - 1])
        return made
