"""OpenAI's chat completions, the answer side: server-sent events, or one object.

The shape is the one that both SDKs can put together again: the role once, in the first chunk; whole tool calls with
`index`, `id`, `type` and `name` said once; the finish reason in a chunk of its own; usage, where it was asked for, in a
chunk without choices; `[DONE]`. `id` and `created` are the same throughout. Reasoning goes by both of its names.
Sources: openai-python's lib/streaming/_deltas.py, Ollama's openai/openai.go of August 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thane.turn import AgentEvent, FinishReason, RunFailed, RunFinished, Text, Thinking, ToolCall, Usage
from thane.wire.chat import ChatRequest, Opening
from thane.wire.errors import Refusal, openai_error
from thane.wire.json_text import dump, escape, quote

HEARTBEAT = b": ping\n\n"
"""A comment: it keeps proxies and time-outs quiet, and no client shows it."""

DONE = b"data: [DONE]\n\n"
_DELTA = b',"choices":[{"index":0,"delta":'
_TEXT = _DELTA + b'{"content":'
_REASONING = _DELTA + b'{"reasoning_content":'
_REST = b'},"finish_reason":null}]}\n\n'
_FINISH: dict[FinishReason, str] = {
    "length": "length",
    "deadline": "length",
    "budget": "length",
    "tool_calls": "tool_calls",
}


class OpenAiStream:
    """Server-sent events, one for each piece of the answer."""

    content_type = "text/event-stream"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        head = _head(request, opening, "chat.completion.chunk")
        self._head = b"data: " + dump(head).removesuffix(b"}")
        self._text = self._head + _TEXT
        self._wants_usage = request.wants_usage
        self._begun = False
        self._said = False

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        pieces: list[bytes] = []
        text = self._text
        for event in batch:
            if isinstance(event, Text):
                if event.text:
                    pieces += (text, quote(event.text), _REST)
                    self._said = True
            elif isinstance(event, Thinking):
                reasoning = quote(event.text)
                pieces += (self._head, _REASONING, reasoning, b',"reasoning":', reasoning, _REST)
            elif isinstance(event, RunFinished):
                pieces += self._finished(event)
            elif isinstance(event, RunFailed):
                pieces += (b"data: ", openai_error(Refusal.of_run(event)), b"\n\n")
        if not pieces:
            return b""
        if not self._begun:
            self._begun = True
            pieces.insert(0, self._chunk({"role": "assistant", "content": ""}))
        return escape(b"".join(pieces))

    def _finished(self, done: RunFinished) -> list[bytes]:
        chunks: list[bytes] = []
        if done.text and not self._said:
            chunks.append(self._chunk({"content": done.text}))
        if done.client_calls:
            chunks.append(self._chunk({"tool_calls": _calls(done.client_calls, indexed=True)}))
        chunks.append(self._chunk({}, finish(done)))
        if self._wants_usage:
            chunks += (self._head, b',"choices":[],"usage":', dump(usage_of(done.usage)), b"}\n\n")
        chunks.append(DONE)
        return chunks

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return self._head + _DELTA + dump(delta) + b',"finish_reason":' + dump(reason) + b"}]}\n\n"


class OpenAiWhole:
    """One object with everything joined."""

    content_type = "application/json"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._head = _head(request, opening, "chat.completion")
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
                    return self._object(event)
                case _:
                    pass
        return b""

    def _object(self, done: RunFinished) -> bytes:
        text = done.text or "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not done.client_calls else None,
            "refusal": None,
        }
        if thinking := "".join(self._thinking):
            message |= {"reasoning_content": thinking, "reasoning": thinking}
        if done.client_calls:
            message["tool_calls"] = _calls(done.client_calls, indexed=False)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(done)}
        return dump(self._head | {"choices": [choice], "usage": usage_of(done.usage)})


def finish(done: RunFinished) -> str:
    """The reason in OpenAI's words; Thane's own is told by `/v1/chat` and `/v1/runs/{id}`."""
    return "tool_calls" if done.client_calls else _FINISH.get(done.finish_reason, "stop")


def usage_of(usage: Usage) -> dict[str, Any]:
    """Token counts in OpenAI's words; `estimated` is Thane's own mark."""
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    return counts | {"estimated": True} if usage.estimated else counts


def _head(request: ChatRequest, opening: Opening, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{opening.run_id}",
        "object": kind,
        "created": int(opening.clock.time()),
        "model": request.turn.model or "thane:latest",
    }


def _calls(calls: Sequence[ToolCall], *, indexed: bool) -> list[dict[str, Any]]:
    """Tool calls with arguments as a string; chunks say each one's `index`."""
    return [
        ({"index": index} if indexed else {})
        | {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": msgspec.json.encode(call.arguments).decode()},
        }
        for index, call in enumerate(calls)
    ]
