"""Reading a streamed answer of server-sent events without I/O: bytes in, the payload of each event to the protocol.

Source: the WHATWG's HTML standard, 9.2. Only `data` matters here: both protocols that use it say in the data what it
is. What is no event stream at all (a page, a bare JSON error) is a failure, not silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from thane.ids import Ids
from thane.models.failures import Failures, decoded
from thane.models.provider import ModelError, ModelOutput

_FIELDS = (b"data", b"event", b"id", b"retry")


class EventReader(ABC):
    """The lines of one answer. See `thane.models.server.Reader`; a protocol says what a payload means.

    `line_bytes` is the longest line, and the longest payload, that is accepted.
    """

    __slots__ = ("_data", "_line_bytes", "_rest", "done", "failure", "failures", "ids", "progress")

    def __init__(self, ids: Ids, *, failures: Failures, line_bytes: int) -> None:
        self.done = False
        self.failure: ModelError | None = None
        self.progress = False
        self.ids = ids
        self.failures = failures
        self._line_bytes = line_bytes
        self._rest = b""
        self._data: bytes | None = None  # of an event whose end has not come

    @abstractmethod
    def take(self, payload: bytes, outputs: list[ModelOutput]) -> None:
        """Add what an event says; set `done` or `progress`, or `fail`, where it does."""

    @abstractmethod
    def finish(self, outputs: list[ModelOutput]) -> None:
        """The body is over without the stream's end mark: set `done` where the answer is whole all the same."""

    def fail(self, error: ModelError) -> None:
        """Nothing more can come."""
        self.failure = error

    def receive(self, data: bytes) -> tuple[ModelOutput, ...]:
        self.progress = False
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        outputs: list[ModelOutput] = []
        if end and self._open:
            self._lines(data[:end], outputs)
        if len(self._rest) > self._line_bytes and self.failure is None:
            self.failure = self.failures.line_too_long(self._line_bytes)
        return tuple(outputs)

    def end(self) -> tuple[ModelOutput, ...]:
        outputs: list[ModelOutput] = []
        rest, self._rest = self._rest, b""
        if self._open:
            self._lines(rest + b"\n\n", outputs)  # the last event need not be followed by an empty line
        if self._open:
            self.finish(outputs)
        if self._open:
            self.failure = self.failures.incomplete()
        return tuple(outputs)

    @property
    def _open(self) -> bool:
        return not self.done and self.failure is None

    def _lines(self, data: bytes, outputs: list[ModelOutput]) -> None:
        for raw in data.split(b"\n"):
            line = raw[:-1] if raw.endswith(b"\r") else raw
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b"data: ") else line[5:]
                if self._data is not None:
                    value = self._data + b"\n" + value
                    if len(value) > self._line_bytes:
                        self.failure = self.failures.line_too_long(self._line_bytes)
                        return
                self._data = value
            elif not line:
                if self._data is not None:
                    payload, self._data = self._data, None
                    self.take(payload, outputs)
                    if not self._open:
                        return
            elif not line.startswith(b":") and line.partition(b":")[0] not in _FIELDS:
                self._garbage(line)
                return

    def _garbage(self, line: bytes) -> None:
        told = decoded(line)
        error = told.get("error") if isinstance(told, dict) else None
        self.failure = self.failures.failed_within(error) if error else self.failures.unreadable()
