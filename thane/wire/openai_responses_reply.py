"""OpenAI's responses, the answer side: typed events in an order of their own, or one object.

Each kind of output is an item: the model's thinking (`reasoning`, told as its summary), what it says (`message`), and
each call of the client's tools (`function_call`). An item is opened, grows, and is closed before the next; the last
event carries the whole response. Numbers count all events of the stream. An answer that was cut short is `incomplete`,
one that failed is `failed`. Sources: openai-python 3.54 (types/responses, lib/streaming/responses), Ollama's
openai/responses.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, override

import msgspec

from thane.turn import JSON, Logprob, RunFailed, RunFinished, Text, ToolCall, Usage
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening
from thane.wire.json_text import dump, quote
from thane.wire.logprobs import openai_tokens
from thane.wire.openai_responses import ResponsesRequest

PREFIX = "resp_"
"""Before the run's id it makes the response's."""

type Kind = Literal["reasoning", "message"]

_REPEATS: JSON = {
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "user": None,
}
_DELTAS: dict[Kind, tuple[str, str]] = {
    "reasoning": ("response.reasoning_summary_text.delta", "summary_index"),
    "message": ("response.output_text.delta", "content_index"),
}


_NO_LOGPROBS = b',"logprobs":[]'


class ResponseStream(Streaming):
    """Server-sent events, each with its name."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._opened = opening
        self._response = _head(request, opening)
        self._namespaces = request.namespaces if isinstance(request, ResponsesRequest) else {}
        self._number = 0
        self._output: list[JSON] = []
        self._kind: Kind | None = None
        self._parts: list[str] = []  # of the open item
        self._logprobs: list[Logprob] = []  # of the open item
        self._delta = b""  # of the open item, up to the text

    @override
    def text(self, event: Text) -> Iterator[bytes]:
        return self._say("message", event.text, event.logprobs)

    @override
    def thinking(self, text: str) -> Iterator[bytes]:
        return self._say("reasoning", text)

    @override
    def failed(self, failed: RunFailed) -> Iterator[bytes]:
        return self._ended(_failure(failed), "response.failed", "incomplete")

    def _say(self, kind: Kind, text: str, logprobs: Sequence[Logprob] = ()) -> Iterator[bytes]:
        if self._kind != kind:
            yield from self._close()
            yield from self._open(kind)
        self._parts.append(text)
        yield self._delta
        yield quote(text)
        if kind == "message":
            self._logprobs += logprobs
            yield b',"logprobs":' + dump(openai_tokens(logprobs)) if logprobs else _NO_LOGPROBS
        yield b',"sequence_number":%d}\n\n' % self._next()

    @override
    def finished(self, done: RunFinished) -> Iterator[bytes]:
        if not self.said and not done.client_calls:
            yield from self._close()
            yield from self._open("message")
        ending = _ending(done)
        yield from self._close(ending["status"])
        for call in done.client_calls:
            yield from self._call(call)
        yield from self._ended(ending, f"response.{ending['status']}")

    def _ended(self, ending: JSON, name: str, status: str = "completed") -> Iterator[bytes]:
        yield from self._begin()
        yield from self._close(status)
        now = int(self._opened.clock.time())
        self._response |= ending | {"output": self._output}
        self._response["completed_at"] = now if ending["status"] == "completed" else None
        yield self._event(name, response=self._response)

    def _begin(self) -> Iterator[bytes]:
        if not self._number:
            yield self._event("response.created", response=self._response)
            yield self._event("response.in_progress", response=self._response)

    def _open(self, kind: Kind) -> Iterator[bytes]:
        yield from self._begin()
        index = len(self._output)
        self._kind, self._parts, self._logprobs = kind, [], []
        item = _item(kind, self._opened.run_id, index, None, status="in_progress")
        name, part_index = _DELTAS[kind]
        place = {"item_id": item["id"], "output_index": index, part_index: 0}
        told = {"type": name} | place
        self._delta = f"event: {name}\ndata: ".encode() + dump(told).removesuffix(b"}") + b',"delta":'
        yield self._event("response.output_item.added", output_index=index, item=item)
        part = "reasoning_summary_part" if kind == "reasoning" else "content_part"
        yield self._event(f"response.{part}.added", **place, part=_part(kind, ""))

    def _close(self, status: str = "completed") -> Iterator[bytes]:
        kind = self._kind
        if kind is None:
            return
        self._kind = None
        index, text = len(self._output), "".join(self._parts)
        logprobs = openai_tokens(self._logprobs)
        item = _item(kind, self._opened.run_id, index, text, status=status, logprobs=logprobs)
        place = {"item_id": item["id"], "output_index": index, _DELTAS[kind][1]: 0}
        if kind == "reasoning":
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            yield self._event("response.reasoning_summary_part.done", **place, part=_part(kind, text))
        else:
            yield self._event("response.output_text.done", **place, text=text, logprobs=logprobs)
            yield self._event("response.content_part.done", **place, part=_part(kind, text, logprobs))
        self._output.append(item)
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _call(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._begin()
        index = len(self._output)
        item = _call_item(call, self._opened.run_id, index, self._namespaces)
        place = {"item_id": item["id"], "output_index": index}
        opened = item | {"arguments": "", "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=index, item=opened)
        yield self._event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        yield self._event("response.function_call_arguments.done", **place, arguments=item["arguments"])
        self._output.append(item)
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _event(self, name: str, **data: Any) -> bytes:
        value = {"type": name} | data | {"sequence_number": self._next()}
        return f"event: {name}\ndata: ".encode() + dump(value) + b"\n\n"

    def _next(self) -> int:
        number = self._number
        self._number += 1
        return number


class ResponseWhole(Whole):
    """One object with everything joined. A failed run is told as one too, for who asks for a response again."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._opened = opening
        self._response = _head(request, opening)
        self._namespaces = request.namespaces if isinstance(request, ResponsesRequest) else {}

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        return self._object(_ending(done), text or (None if done.client_calls else ""), done.client_calls)

    @override
    def failed(self, failed: RunFailed) -> bytes:
        return self._object(_failure(failed), self.said or None)

    def _object(self, ending: JSON, text: str | None, calls: Sequence[ToolCall] = ()) -> bytes:
        run_id, output = self._opened.run_id, list[JSON]()
        status = "completed" if ending["status"] == "completed" else "incomplete"
        if thinking := self.thought:
            output.append(_item("reasoning", run_id, 0, thinking, status="completed"))
        if text is not None:
            logprobs = openai_tokens(self.logprobs)
            output.append(_item("message", run_id, len(output), text, status=status, logprobs=logprobs))
        for call in calls:
            output.append(_call_item(call, run_id, len(output), self._namespaces))
        now = int(self._opened.clock.time())
        completed = {"completed_at": now if ending["status"] == "completed" else None}
        return dump(self._response | ending | completed | {"output": output})


def _head(request: ChatRequest, opening: Opening) -> JSON:
    """A response of which nothing is there yet."""
    turn = request.turn
    tools = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description or None,
            "parameters": tool.parameters,
            "strict": False,
        }
        for tool in turn.tools
    ]
    head = {
        "id": PREFIX + opening.run_id,
        "object": "response",
        "created_at": int(opening.clock.time()),
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "conversation": {"id": opening.conversation_id} if opening.conversation_id else None,
        "error": None,
        "incomplete_details": None,
        "max_output_tokens": turn.options.max_tokens,
        "model": turn.model or "thane:latest",
        "output": [],
        "temperature": turn.options.temperature,
        "tools": tools,
        "top_p": turn.options.top_p,
        "truncation": "disabled",
        "usage": None,
    }
    return head | _REPEATS | (request.repeats if isinstance(request, ResponsesRequest) else {})


def _ending(done: RunFinished) -> JSON:
    if done.finish_reason in ("length", "deadline", "budget"):
        ending: JSON = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    else:
        ending = {"status": "completed"}
    return ending | {"usage": usage_of(done.usage)}


def _failure(failed: RunFailed) -> JSON:
    status = "cancelled" if failed.failure == "cancelled" else "failed"
    error = {"code": "server_error", "message": failed.message}
    return {"status": status, "error": error, "usage": usage_of(failed.usage)}


def usage_of(usage: Usage) -> JSON:
    """Token counts in the words of responses; `estimated` is Thane's own mark."""
    counts: JSON = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    return counts | {"estimated": True} if usage.estimated else counts


def _item(kind: Kind, run_id: str, index: int, text: str | None, *, status: str, logprobs: Sequence[JSON] = ()) -> JSON:
    """An output item; one without text (None) has no part yet."""
    parts = [] if text is None else [_part(kind, text, logprobs)]
    if kind == "reasoning":
        return {"id": f"rs_{run_id}_{index}", "type": kind, "summary": parts, "status": status}
    return {"id": f"msg_{run_id}_{index}", "type": kind, "role": "assistant", "content": parts, "status": status}


def _part(kind: Kind, text: str, logprobs: Sequence[JSON] = ()) -> JSON:
    if kind == "reasoning":
        return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _call_item(call: ToolCall, run_id: str, index: int, namespaces: Mapping[str, tuple[str, str]]) -> JSON:
    space, name = namespaces.get(call.name, ("", call.name))
    return {
        "id": f"fc_{run_id}_{index}",
        "type": "function_call",
        "call_id": call.id,
        "name": name,
        **({"namespace": space} if space else {}),
        "arguments": msgspec.json.encode(call.arguments).decode(),
        "status": "completed",
    }
