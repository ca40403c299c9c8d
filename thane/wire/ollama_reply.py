"""Ollama's `/api/chat`, the answer side: NDJSON lines, or one object.

`done:true` is only said of an answer that is stored. A failure in mid-stream is an `{"error"}` line, as Ollama has it;
to Home Assistant and Open WebUI, which drop such a line or never show it, it is said as content.
Sources: Ollama's api/types.go (ChatResponse, Metrics) and server/routes.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, override

from thane.clock import Clock
from thane.turn import RunFailed, RunFinished, Text, ToolCall, Usage
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening
from thane.wire.errors import Refusal, ollama_error
from thane.wire.json_text import dump, quote
from thane.wire.logprobs import ollama_logprobs

_CONTENT = b',"message":{"role":"assistant","content":'
_THINKING = b',"message":{"role":"assistant","content":"","thinking":'
_MORE = b'},"done":false}\n'
_NANOSECONDS = 1_000_000_000


class OllamaStream(Streaming):
    """Lines, one for each piece of the answer."""

    content_type = "application/x-ndjson"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._model = request.turn.model
        self._stamps = Stamps(opening.clock)
        self._start = b'{"model":' + quote(self._model) + b',"created_at":"'
        self._speaks = speaks_of_failure(request)
        self._head = self._text_head = b""

    @override
    def begin(self) -> None:
        self._head = self._start + self._stamps.now() + b'"'
        self._text_head = self._head + _CONTENT

    @override
    def text(self, event: Text) -> Iterable[bytes]:
        if event.logprobs:
            told = {"done": False, "logprobs": ollama_logprobs(event.logprobs)}
            return dump(self._line(_message(event.text)) | told), b"\n"
        return self._text_head, quote(event.text), _MORE

    @override
    def thinking(self, text: str) -> Iterable[bytes]:
        return self._head, _THINKING, quote(text), _MORE

    @override
    def finished(self, done: RunFinished) -> Iterable[bytes]:
        if done.client_calls:
            message = _message("", calls=done.client_calls)
            yield dump(self._line(message) | {"done": False}) + b"\n"
        yield dump(self._line(_message("")) | closing(done)) + b"\n"

    @override
    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        if not self._speaks:
            return ollama_error(Refusal.of_run(failed)), b"\n"
        words = f"\n\n{failed.message}" if self.said else failed.message
        last = self._line(_message("")) | closing_failed(failed)
        return self._text_head, quote(words), _MORE, dump(last), b"\n"

    def _line(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "created_at": self._stamps.now().decode(), "message": message}


class OllamaWhole(Whole):
    """One object with everything joined."""

    content_type = "application/json; charset=utf-8"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._model = request.turn.model
        self._stamps = Stamps(opening.clock)

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        logprobs = {"logprobs": ollama_logprobs(self.logprobs)} if self.logprobs else {}
        return self._object(_message(text, self.thought, done.client_calls), closing(done) | logprobs)

    @override
    def failed(self, failed: RunFailed) -> bytes:
        text = "\n\n".join(part for part in (self.said, failed.message) if part)
        return self._object(_message(text, self.thought), closing_failed(failed))

    def _object(self, message: dict[str, Any], rest: dict[str, Any]) -> bytes:
        head = {"model": self._model, "created_at": self._stamps.now().decode(), "message": message}
        return dump(head | rest)


class Stamps:
    """`created_at`: RFC 3339 in UTC with microseconds. The date is written once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = b""

    def now(self) -> bytes:
        time = self._clock.time()
        second = int(time)
        if second != self._second:
            self._second = second
            self._date = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%b.%06dZ" % (self._date, (time - second) * 1_000_000)


def speaks_of_failure(request: ChatRequest) -> bool:
    """Whether a failure in mid-stream is said as content: to clients that drop `{"error"}` lines, but never where the
    answer is read by a program (a format was asked for, or it is housekeeping)."""
    turn = request.turn
    return turn.caller.channel in ("ha", "owu") and turn.options.format is None and not turn.caller.task


def speaks_at_once(request: ChatRequest) -> bool:
    """Whether even a failure before the first line is said as content: Home Assistant never shows an error's text."""
    return request.turn.caller.channel == "ha" and speaks_of_failure(request)


def loaded(request: ChatRequest, reason: str, clock: Clock) -> bytes:
    """The answer to a request without messages: `done_reason` is `load` or `unload`."""
    head = {"model": request.turn.model, "created_at": Stamps(clock).now().decode(), "message": _message("")}
    return dump(head | {"done": True, "done_reason": reason})


def closing(done: RunFinished) -> dict[str, Any]:
    """The end of the last line. `done_reason` is only ever `stop` or `length`; durations are in nanoseconds."""
    reason = "length" if done.finish_reason in ("length", "deadline", "budget") else "stop"
    durations = {
        "total_duration": done.duration,
        "load_duration": done.load_duration,
        "prompt_eval_duration": done.prompt_duration,
        "eval_duration": done.decode_duration,
    }
    return (
        {"done": True, "done_reason": reason}
        | {name: round(seconds * _NANOSECONDS) for name, seconds in durations.items() if seconds}
        | _counts(done.usage)
    )


def closing_failed(failed: RunFailed) -> dict[str, Any]:
    """The end of an answer that says what went wrong."""
    total = {"total_duration": round(failed.duration * _NANOSECONDS)} if failed.duration else {}
    return {"done": True, "done_reason": "stop"} | total | _counts(failed.usage)


def _counts(usage: Usage) -> dict[str, Any]:
    """Token counts, each left out when it is 0; `estimated` is Thane's own mark."""
    counts = {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    mark = {"estimated": True} if usage.estimated and any(counts.values()) else {}
    return {name: count for name, count in counts.items() if count} | mark


def _message(content: str, thinking: str = "", calls: Sequence[ToolCall] = ()) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}
            for index, call in enumerate(calls)
        ]
    return message
