"""A log line as a value, and the bounded queue in which lines wait to be kept.

Lines come from any thread and at any moment, so taking one never waits: a full queue counts what it turns away. What is
kept of them, and where, is `thane.journal.index` and `thane.journal.files`; how they look on standard error is
`thane.logs`.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from thane.clock import Clock

LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "critical": 50}
NAMES = {5: "trace", 10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}

_IDS = ("run_id", "conversation_id", "loop_id", "tool", "model")
_encoder = msgspec.json.Encoder(enc_hook=str)


class LogLine(msgspec.Struct, frozen=True):
    """`at` is epoch seconds, `level` a number of `NAMES`, `attributes` JSON text. `id` is 0 until it is stored."""

    at: float
    level: int
    subsystem: str
    message: str
    run_id: str = ""
    conversation_id: str = ""
    loop_id: str = ""
    tool: str = ""
    model: str = ""
    attributes: str = "{}"
    source_file: str = ""
    source_line: int = 0
    id: int = 0


class LinesStatistics(msgspec.Struct, frozen=True):
    """`taken` and `dropped` count since the start; `waiting` are not yet kept."""

    taken: int
    dropped: int
    waiting: int


class Lines:
    """The queue. `take` may be called from any thread; `drain` from the one that keeps the lines."""

    def __init__(self, clock: Clock, *, most: int, chars: int) -> None:
        self._clock = clock
        self._most = most
        self._chars = chars
        self._waiting: deque[LogLine] = deque()
        self._taken = self._dropped = 0
        self._wake: Callable[[], None] | None = None

    def take(self, level: int, subsystem: str, message: str, values: Mapping[str, Any]) -> None:
        """Queue a line. `values` are its ids and attributes, in which `source` may be `(file, line)`."""
        if len(self._waiting) >= self._most:
            self._dropped += 1
            return
        attributes = dict(values)
        run, conversation, loop, tool, model = [str(attributes.pop(name, "") or "") for name in _IDS]
        run = run or str(attributes.get("request_id") or "")  # a request goes by its run's id
        file, number = attributes.pop("source", ("", 0))
        told, message = self._encode(attributes), message[: self._chars]
        at = self._clock.time()
        line = LogLine(at, level, subsystem, message, run, conversation, loop, tool, model, told, file, number)
        is_first = not self._waiting
        self._waiting.append(line)
        self._taken += 1
        if is_first and self._wake is not None:
            self._wake()

    def _encode(self, attributes: Mapping[str, Any]) -> str:
        """JSON text; what is too long is cut value by value, so that it stays JSON."""
        text = _encoder.encode(attributes).decode()
        if len(text) <= self._chars:
            return text
        share = max(1, self._chars // len(attributes))
        return _encoder.encode({name: str(value)[:share] for name, value in attributes.items()}).decode()

    def wake_with(self, wake: Callable[[], None] | None) -> None:
        """Call `wake` whenever a line comes into an empty queue, from whatever thread it comes."""
        self._wake = wake
        if wake is not None and self._waiting:
            wake()

    def drain(self) -> list[LogLine]:
        """Take out everything that waits, oldest first."""
        found: list[LogLine] = []
        with contextlib.suppress(IndexError):
            while len(found) < self._most:
                found.append(self._waiting.popleft())
        return found

    def statistics(self) -> LinesStatistics:
        return LinesStatistics(self._taken, self._dropped, len(self._waiting))
