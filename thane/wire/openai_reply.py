"""OpenAI's chat completions, the answer side: server-sent events, or one object.

The shape is the one that both SDKs can put together again: the role once, in the first chunk; whole tool calls with
`index`, `id`, `type` and `name` said once; the finish reason in a chunk of its own; usage, where it was asked for, in a
chunk without choices; `[DONE]`. `id` and `created` are the same throughout. Reasoning goes by both of its names.
Sources: openai-python's lib/streaming/_deltas.py, Ollama's openai/openai.go of August 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, override

import msgspec

from thane.turn import JSON, FinishReason, RunFailed, RunFinished, Text, ToolCall, Usage
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening
from thane.wire.errors import Refusal, openai_error
from thane.wire.json_text import dump, quote
from thane.wire.logprobs import openai_logprobs

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


class OpenAiStream(Streaming):
    """Server-sent events, one for each piece of the answer."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        head = _head(request, opening, "chat.completion.chunk")
        self._head = b"data: " + dump(head).removesuffix(b"}")
        self._text = self._head + _TEXT
        self._wants_usage = request.wants_usage
        self._begun = False

    @override
    def opening(self) -> Iterable[bytes]:
        if not self._begun:
            self._begun = True
            yield self._chunk({"role": "assistant", "content": ""})

    @override
    def text(self, event: Text) -> Iterable[bytes]:
        if event.logprobs:
            return (self._chunk({"content": event.text}, logprobs=openai_logprobs(event.logprobs)),)
        return self._text, quote(event.text), _REST

    @override
    def thinking(self, text: str) -> Iterable[bytes]:
        reasoning = quote(text)
        return self._head, _REASONING, reasoning, b',"reasoning":', reasoning, _REST

    @override
    def finished(self, done: RunFinished) -> Iterable[bytes]:
        if done.client_calls:
            yield self._chunk({"tool_calls": _calls(done.client_calls, indexed=True)})
        yield self._chunk({}, finish(done))
        if self._wants_usage:
            yield self._head + b',"choices":[],"usage":' + dump(usage_of(done.usage)) + b"}\n\n"
        yield DONE

    @override
    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        return b"data: ", openai_error(Refusal.of_run(failed)), b"\n\n"

    def _chunk(self, delta: JSON, reason: str | None = None, logprobs: JSON | None = None) -> bytes:
        told = b',"logprobs":' + dump(logprobs) if logprobs else b""
        return self._head + _DELTA + dump(delta) + told + b',"finish_reason":' + dump(reason) + b"}]}\n\n"


class OpenAiWhole(Whole):
    """One object with everything joined."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._head = _head(request, opening, "chat.completion")

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        message: JSON = {
            "role": "assistant",
            "content": text if text or not done.client_calls else None,
            "refusal": None,
        }
        if thinking := self.thought:
            message |= {"reasoning_content": thinking, "reasoning": thinking}
        if done.client_calls:
            message["tool_calls"] = _calls(done.client_calls, indexed=False)
        logprobs = openai_logprobs(self.logprobs)
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish(done)}
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
