"""OpenAI's responses, the answer side: typed events in an order of their own, or one object.

Each kind of output is an item: the model's thinking (`reasoning`, told as its summary), what it says (`message`), and
each call of the client's tools (`function_call`). An item is opened, grows, and is closed before the next; the last
event carries the whole response. Numbers count all events of the stream. An answer that was cut short is `incomplete`,
one that failed is `failed`. Sources: openai-python 3.54 (types/responses, lib/streaming/responses), Ollama's
openai/responses.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from thane.turn import JSON, AgentEvent, RunFailed, RunFinished, Text, Thinking, ToolCall, Usage
from thane.wire.chat import ChatRequest, Opening
from thane.wire.json_text import dump, escape, quote
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


class ResponseStream:
    """Server-sent events, each with its name."""

    content_type = "text/event-stream"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._opening = opening
        self._response = _head(request, opening)
        self._number = 0
        self._output: list[JSON] = []
        self._kind: Kind | None = None
        self._said: list[str] = []  # of the open item
        self._delta = b""  # of the open item, up to the text

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        pieces: list[bytes] = []
        for event in batch:
            if isinstance(event, Text):
                if event.text:
                    pieces += self._say("message", event.text)
            elif isinstance(event, Thinking):
                if event.text:
                    pieces += self._say("reasoning", event.text)
            elif isinstance(event, RunFinished):
                pieces += self._finished(event)
            elif isinstance(event, RunFailed):
                pieces += self._ended(_failure(event), "response.failed", "incomplete")
        return escape(b"".join(pieces))

    def _say(self, kind: Kind, text: str) -> Iterator[bytes]:
        if self._kind != kind:
            yield from self._close()
            yield from self._open(kind)
        self._said.append(text)
        yield self._delta
        yield quote(text)
        yield b',"sequence_number":%d}\n\n' % self._next()

    def _finished(self, done: RunFinished) -> Iterator[bytes]:
        if not self._has_text() and (done.text or not done.client_calls):
            if done.text:
                yield from self._say("message", done.text)
            else:
                yield from self._close()
                yield from self._open("message")
        ending = _ending(done)
        yield from self._close(ending["status"])
        for call in done.client_calls:
            yield from self._call(call)
        yield from self._ended(ending, f"response.{ending['status']}")

    def _has_text(self) -> bool:
        return self._kind == "message" or any(item["type"] == "message" for item in self._output)

    def _ended(self, ending: JSON, name: str, status: str = "completed") -> Iterator[bytes]:
        yield from self._begin()
        yield from self._close(status)
        now = int(self._opening.clock.time())
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
        self._kind, self._said = kind, []
        item = _item(kind, self._opening.run_id, index, None, "in_progress")
        name, part_index = _DELTAS[kind]
        place = {"item_id": item["id"], "output_index": index, part_index: 0}
        told = {"type": name} | place | ({"logprobs": []} if kind == "message" else {})
        self._delta = f"event: {name}\ndata: ".encode() + dump(told).removesuffix(b"}") + b',"delta":'
        yield self._event("response.output_item.added", output_index=index, item=item)
        part = "reasoning_summary_part" if kind == "reasoning" else "content_part"
        yield self._event(f"response.{part}.added", **place, part=_part(kind, ""))

    def _close(self, status: str = "completed") -> Iterator[bytes]:
        kind = self._kind
        if kind is None:
            return
        self._kind = None
        index, text = len(self._output), "".join(self._said)
        item = _item(kind, self._opening.run_id, index, text, status)
        place = {"item_id": item["id"], "output_index": index, _DELTAS[kind][1]: 0}
        if kind == "reasoning":
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            yield self._event("response.reasoning_summary_part.done", **place, part=_part(kind, text))
        else:
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
            yield self._event("response.content_part.done", **place, part=_part(kind, text))
        self._output.append(item)
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _call(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._begin()
        index = len(self._output)
        item = _call_item(call, self._opening.run_id, index)
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


class ResponseWhole:
    """One object with everything joined. A failed run is told as one too, for who asks for a response again."""

    content_type = "application/json"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._opening = opening
        self._response = _head(request, opening)
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
                    ending, text = _ending(event), event.text or "".join(self._text)
                    return self._object(ending, text or (None if event.client_calls else ""), event.client_calls)
                case RunFailed():
                    return self._object(_failure(event), "".join(self._text) or None)
                case _:
                    pass
        return b""

    def _object(self, ending: JSON, text: str | None, calls: Sequence[ToolCall] = ()) -> bytes:
        run_id, output = self._opening.run_id, list[JSON]()
        status = "completed" if ending["status"] == "completed" else "incomplete"
        if thinking := "".join(self._thinking):
            output.append(_item("reasoning", run_id, 0, thinking, "completed"))
        if text is not None:
            output.append(_item("message", run_id, len(output), text, status))
        for call in calls:
            output.append(_call_item(call, run_id, len(output)))
        now = int(self._opening.clock.time())
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
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    return counts | {"estimated": True} if usage.estimated else counts


def _item(kind: Kind, run_id: str, index: int, text: str | None, status: str) -> JSON:
    """An output item; one without text (None) has no part yet."""
    parts = [] if text is None else [_part(kind, text)]
    if kind == "reasoning":
        return {"id": f"rs_{run_id}_{index}", "type": kind, "summary": parts, "status": status}
    return {"id": f"msg_{run_id}_{index}", "type": kind, "role": "assistant", "content": parts, "status": status}


def _part(kind: Kind, text: str) -> JSON:
    if kind == "reasoning":
        return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call_item(call: ToolCall, run_id: str, index: int) -> JSON:
    return {
        "id": f"fc_{run_id}_{index}",
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": msgspec.json.encode(call.arguments).decode(),
        "status": "completed",
    }
