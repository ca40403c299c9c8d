"""Anthropic's messages, the answer side: named events, or one object.

An answer is blocks, one open at a time: `thinking` where the request asked for it, `text`, and `tool_use` for each call
of the client's tools. How many tokens went in is known at the end only, so `message_start` says 0 and `message_delta`,
whose counts replace those, says it. Sources: anthropic-python 2.12 (types, lib/streaming/_messages.py), Ollama's
anthropic/anthropic.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, override

import msgspec

from thane.turn import JSON, RunFailed, RunFinished, Text, ToolCall, Usage
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening
from thane.wire.errors import Refusal, anthropic_error
from thane.wire.json_text import dump, quote

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
"""Anthropic's own heartbeat; every client skips it."""

type Kind = Literal["thinking", "text"]

_EMPTY: dict[Kind, JSON] = {
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "text": {"type": "text", "text": ""},
}
_END = b"}}\n\n"


class MessageStream(Streaming):
    """Server-sent events, each with its name."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._head = _head(request, opening)
        self._thinks = bool(request.turn.options.think)
        self._begun = False
        self._kind: Kind | None = None
        self._index = 0  # of the open block, or the next
        self._delta = b""  # of the open block, up to the text

    @override
    def text(self, event: Text) -> Iterator[bytes]:
        return self._say("text", event.text)

    @override
    def thinking(self, text: str) -> Iterable[bytes]:
        return self._say("thinking", text) if self._thinks else ()

    @override
    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        return b"event: error\ndata: ", anthropic_error(Refusal.of_run(failed)), b"\n\n"

    def _say(self, kind: Kind, text: str) -> Iterator[bytes]:
        if self._kind != kind:
            yield from self._close()
            yield from self._open(_EMPTY[kind])
            self._kind = kind
            opened = {"type": "content_block_delta", "index": self._index, "delta": {"type": f"{kind}_delta"}}
            self._delta = (
                b"event: content_block_delta\ndata: " + dump(opened).removesuffix(b"}}") + f',"{kind}":'.encode()
            )
        yield self._delta
        yield quote(text)
        yield _END

    @override
    def finished(self, done: RunFinished) -> Iterator[bytes]:
        yield from self._close()
        for call in done.client_calls:
            yield from self._open(_call(call) | {"input": {}})
            arguments = msgspec.json.encode(call.arguments).decode()
            delta = {"type": "input_json_delta", "partial_json": arguments}
            yield _event("content_block_delta", index=self._index, delta=delta)
            yield from self._stop()
        yield from self._begin()
        yield _event("message_delta", delta=_stopped(done), usage=usage_of(done.usage))
        yield _event("message_stop")

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield _event("message_start", message=self._head)

    def _open(self, block: JSON) -> Iterator[bytes]:
        yield from self._begin()
        yield _event("content_block_start", index=self._index, content_block=block)

    def _close(self) -> Iterator[bytes]:
        if self._kind is not None:
            self._kind = None
            yield from self._stop()

    def _stop(self) -> Iterator[bytes]:
        yield _event("content_block_stop", index=self._index)
        self._index += 1


class MessageWhole(Whole):
    """One object with everything joined."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._head = _head(request, opening)
        self._thinks = bool(request.turn.options.think)

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        blocks: list[JSON] = []
        if self._thinks and (thinking := self.thought):
            blocks.append(_EMPTY["thinking"] | {"thinking": thinking})
        if text or not done.client_calls:
            blocks.append(_EMPTY["text"] | {"text": text})
        blocks += map(_call, done.client_calls)
        return dump(self._head | {"content": blocks} | _stopped(done) | {"usage": usage_of(done.usage)})


def usage_of(usage: Usage) -> JSON:
    """Token counts in Anthropic's words: what came from a cache is counted apart. `estimated` is Thane's own mark."""
    counts: JSON = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    return counts | {"estimated": True} if usage.estimated else counts


def _head(request: ChatRequest, opening: Opening) -> JSON:
    return {
        "id": f"msg_{opening.run_id}",
        "type": "message",
        "role": "assistant",
        "model": request.turn.model or "thane:latest",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _stopped(done: RunFinished) -> JSON:
    reason = "max_tokens" if done.finish_reason in ("length", "deadline", "budget") else "end_turn"
    return {"stop_reason": "tool_use" if done.client_calls else reason, "stop_sequence": None}


def _call(call: ToolCall) -> JSON:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + dump({"type": name} | data) + b"\n\n"
