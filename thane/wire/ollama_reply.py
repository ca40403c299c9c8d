"""Ollama's `/api/chat`, the answer side: NDJSON lines, or one object.

`done:true` is only said of an answer that is stored. A failure in mid-stream is an `{"error"}` line, as Ollama has it;
to Home Assistant and Open WebUI, which drop such a line or never show it, it is said as content.
Sources: Ollama's api/types.go (ChatResponse, Metrics) and server/routes.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from thane.clock import Clock
from thane.turn import AgentEvent, RunFailed, RunFinished, Text, Thinking, ToolCall, Usage
from thane.wire.chat import ChatRequest, Opening
from thane.wire.errors import Refusal, ollama_error
from thane.wire.json_text import dump, escape, quote

_CONTENT = b',"message":{"role":"assistant","content":'
_THINKING = b',"message":{"role":"assistant","content":"","thinking":'
_MORE = b'},"done":false}\n'
_NANOSECONDS = 1_000_000_000


class OllamaStream:
    """Lines, one for each piece of the answer."""

    content_type = "application/x-ndjson"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._model = request.turn.model
        self._stamps = Stamps(opening.clock)
        self._start = b'{"model":' + quote(self._model) + b',"created_at":"'
        self._speaks = speaks_of_failure(request)
        self._said = False

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        head = self._start + self._stamps.now() + b'"'
        text_head = head + _CONTENT
        pieces: list[bytes] = []
        for event in batch:
            if isinstance(event, Text):
                if event.text:
                    pieces += (text_head, quote(event.text), _MORE)
                    self._said = True
            elif isinstance(event, Thinking):
                pieces += (head, _THINKING, quote(event.text), _MORE)
            elif isinstance(event, RunFinished):
                pieces.append(self._finished(event, text_head))
            elif isinstance(event, RunFailed):
                pieces.append(self._failed(event, text_head))
        return escape(b"".join(pieces))

    def _finished(self, done: RunFinished, text_head: bytes) -> bytes:
        lines = b""
        if done.text and not self._said:
            lines += text_head + quote(done.text) + _MORE
        if done.client_calls:
            message = _message("", calls=done.client_calls)
            lines += dump(self._line(message) | {"done": False}) + b"\n"
        return lines + dump(self._line(_message("")) | closing(done)) + b"\n"

    def _failed(self, failed: RunFailed, text_head: bytes) -> bytes:
        if not self._speaks:
            return ollama_error(Refusal.of_run(failed)) + b"\n"
        words = f"\n\n{failed.message}" if self._said else failed.message
        last = self._line(_message("")) | closing_failed(failed)
        return text_head + quote(words) + _MORE + dump(last) + b"\n"

    def _line(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "created_at": self._stamps.now().decode(), "message": message}


class OllamaWhole:
    """One object with everything joined."""

    content_type = "application/json; charset=utf-8"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._model = request.turn.model
        self._stamps = Stamps(opening.clock)
        self._text: list[str] = []
        self._thinking: list[str] = []

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        for event in batch:
            match event:
                case Text():
                    self._text.append(event.text)
                case Thinking():
                    self._thinking.append(event.text)
                case RunFinished():
                    text = event.text or "".join(self._text)
                    return self._object(_message(text, "".join(self._thinking), event.client_calls), closing(event))
                case RunFailed():
                    text = "\n\n".join(part for part in ("".join(self._text), event.message) if part)
                    return self._object(_message(text, "".join(self._thinking)), closing_failed(event))
                case _:
                    pass
        return b""

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
