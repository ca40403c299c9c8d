"""Anthropic's messages format without I/O: a `ModelRequest` out as bytes, the events of the answer in.

Source: Anthropic's API reference (messages, streaming, extended thinking, prompt caching).
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from thane.ids import Ids
from thane.models.counts import counted
from thane.models.failures import Failures
from thane.models.provider import ModelCalls, ModelDone, ModelOutput
from thane.models.sse import EventReader
from thane.turn import JSON, FinishReason, Text, Thinking, ToolCall, Usage

_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STATUS = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504}
_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class _Usage(msgspec.Struct):
    """`input_tokens` is what the cache neither gave nor took."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None


class _Started(msgspec.Struct):
    usage: _Usage | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None  # of redacted thinking
    id: str | None = None
    name: str | None = None
    input: Any = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    message: _Started | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


class _Building:
    """A block of the answer, as far as it has come."""

    __slots__ = ("block", "pieces", "signature")

    def __init__(self, block: _Block) -> None:
        self.block = block
        self.pieces: list[str] = []
        self.signature = block.signature or ""


_decoder = msgspec.json.Decoder(_Event)


class MessageReader(EventReader):
    """The events of one answer; `message_stop` is its end.

    `thoughts` are, at the end, the thinking blocks that go back to the server with the results of the calls `called`.
    """

    __slots__ = ("_blocks", "_cut", "_output", "_read", "_reason", "called", "thoughts")

    def __init__(self, ids: Ids, *, failures: Failures, line_bytes: int) -> None:
        super().__init__(ids, failures=failures, line_bytes=line_bytes)
        self.thoughts: list[JSON] = []
        self.called: list[str] = []
        self._blocks: dict[int, _Building] = {}
        self._read: _Usage | None = None  # as first told, with the prompt
        self._output: int | None = None
        self._reason = ""
        self._cut = False  # a call whose arguments are no JSON: it depends on the reason how that is told

    def take(self, payload: bytes, outputs: list[ModelOutput]) -> None:
        try:
            event = _decoder.decode(payload)
        except _BAD_JSON:
            self.fail(self.failures.unreadable())
            return
        match event.type:
            case "content_block_delta" if event.delta is not None:
                self._delta(event.index, event.delta, outputs)
            case "content_block_start" if event.content_block is not None:
                self._start(event.index, event.content_block, outputs)
            case "content_block_stop":
                self._stop(event.index, outputs)
            case "message_start":
                self._count(event.message.usage if event.message else None)
            case "message_delta":
                self._count(event.usage)
                self._reason = (event.delta.stop_reason if event.delta else None) or self._reason
            case "message_stop":
                self._end(outputs)
            case "error":
                kind = event.error.get("type") if isinstance(event.error, dict) else None
                self.fail(self.failures.failed_within(event.error, _STATUS.get(str(kind))))
            case "":
                self.fail(self.failures.unreadable())
            case _:
                pass  # ping, and what is to come: the API asks clients to pass over events that they do not know

    def finish(self, outputs: list[ModelOutput]) -> None:
        """Nothing but `message_stop` ends an answer."""

    def _start(self, index: int, block: _Block, outputs: list[ModelOutput]) -> None:
        self.progress = True
        self._blocks[index] = _Building(block)
        if block.text:
            outputs.append(Text(block.text))
        if block.thinking:
            self._blocks[index].pieces.append(block.thinking)
            outputs.append(Thinking(block.thinking))

    def _delta(self, index: int, delta: _Delta, outputs: list[ModelOutput]) -> None:
        self.progress = True
        building = self._blocks.get(index)
        if building is None:
            self.fail(self.failures.unreadable())
            return
        if delta.text:
            outputs.append(Text(delta.text))
        elif delta.thinking:
            building.pieces.append(delta.thinking)
            outputs.append(Thinking(delta.thinking))
        elif delta.partial_json:
            building.pieces.append(delta.partial_json)
        elif delta.signature:
            building.signature += delta.signature

    def _stop(self, index: int, outputs: list[ModelOutput]) -> None:
        building = self._blocks.pop(index, None)
        if building is None:
            return
        block = building.block
        if block.type == "thinking":
            thought = {"type": "thinking", "thinking": "".join(building.pieces), "signature": building.signature}
            self.thoughts.append(thought)
        elif block.type == "redacted_thinking":
            self.thoughts.append({"type": "redacted_thinking", "data": block.data or ""})
        elif block.type == "tool_use":
            self._call(building, outputs)

    def _call(self, building: _Building, outputs: list[ModelOutput]) -> None:
        block, text = building.block, "".join(building.pieces)
        try:
            arguments: object = msgspec.json.decode(text) if text.strip() else block.input or {}
        except _BAD_JSON:
            self._cut = True
            return
        if not block.name or not isinstance(arguments, dict):
            self.fail(self.failures.unreadable_call())
            return
        call = ToolCall(block.id or self.ids.call(), block.name, cast("JSON", arguments))
        self.called.append(call.id)
        outputs.append(ModelCalls((call,)))

    def _count(self, usage: _Usage | None) -> None:
        if usage is None:
            return
        if self._read is None or counted(usage.input_tokens) is not None:  # the later count is the final one
            self._read = usage
        output = counted(usage.output_tokens)
        self._output = output if output is not None else self._output

    def _end(self, outputs: list[ModelOutput]) -> None:
        if not self._reason or self._blocks:
            self.fail(self.failures.incomplete())
        elif self._cut:
            self.fail(self.failures.unreadable_call(cut=_REASONS.get(self._reason) == "length"))
        elif self._reason == "refusal":
            self.fail(self.failures.error("The model refused to go on with this answer.", temporary=False))
        else:
            self.done = True
            reason = _REASONS.get(self._reason, "stop")
            outputs.append(ModelDone(self._usage(), "tool_calls" if self.called and reason == "stop" else reason))

    def _usage(self) -> Usage:
        read = self._read or _Usage()
        new, cached = counted(read.input_tokens), counted(read.cache_read_input_tokens) or 0
        written = counted(read.cache_creation_input_tokens) or 0
        return Usage(
            (new or 0) + cached + written,
            self._output or 0,
            cached,
            estimated=new is None or self._output is None,
            cache_write_tokens=written,
        )
