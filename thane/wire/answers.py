"""How an answer is fed to an encoder, once for every protocol: in pieces as they come, or joined. Pure.

Not here: what the bytes look like; each protocol fills in what is said of a text, a thought and the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from thane.turn import AgentEvent, Logprob, RunFailed, RunFinished, Text, Thinking
from thane.wire.json_text import escape


class Streaming:
    """An answer in pieces. `said` tells whether any text has been written; an empty one never is.

    Where a run says its text only at its end, that is written before the end.
    """

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self.said = False

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        self.begin()
        pieces: list[bytes] = []
        for event in batch:
            if isinstance(event, Text):
                if event.text:
                    pieces += self.text(event)
                    self.said = True
            elif isinstance(event, Thinking):
                if event.text:
                    pieces += self.thinking(event.text)
            elif isinstance(event, RunFinished):
                if event.text and not self.said:
                    pieces += self.text(Text(event.text))
                    self.said = True
                pieces += self.finished(event)
            elif isinstance(event, RunFailed):
                pieces += self.failed(event)
        return escape(b"".join((*self.opening(), *pieces))) if pieces else b""

    def begin(self) -> None:
        """A batch begins: for what its pieces share."""

    def opening(self) -> Iterable[bytes]:
        """What stands before the pieces of a batch; asked only where there are some."""
        return ()

    def text(self, event: Text) -> Iterable[bytes]:
        raise NotImplementedError

    def thinking(self, text: str) -> Iterable[bytes]:  # noqa: ARG002 where a protocol has no place for it
        return ()

    def finished(self, done: RunFinished) -> Iterable[bytes]:
        raise NotImplementedError

    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        raise NotImplementedError


class Whole:
    """An answer joined: everything is written at the end."""

    content_type = "application/json"

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self.logprobs: list[Logprob] = []

    @property
    def said(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    @property
    def thought(self) -> str:
        """The thinking so far."""
        return "".join(self._thoughts)

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        for event in batch:
            match event:
                case Text():
                    self._texts.append(event.text)
                    self.logprobs += event.logprobs
                case Thinking():
                    self._thoughts.append(event.text)
                case RunFinished():
                    return self.finished(event, event.text or self.said)
                case RunFailed():
                    return self.failed(event)
                case _:
                    pass
        return b""

    def finished(self, done: RunFinished, text: str) -> bytes:
        raise NotImplementedError

    def failed(self, failed: RunFailed) -> bytes:  # noqa: ARG002 where the failure is an answer of its own, by its status
        return b""
