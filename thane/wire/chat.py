"""What the chat protocols share: a decoded request, an encoder of its answer, and pairing tool results with calls.

A codec is two pure functions: `decode(document, …) -> ChatRequest`, where `document` is the JSON value of the body,
and an encoder that is fed what the run does and gives back the bytes to send. Neither knows HTTP or waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from thane.answer_format import AnswerFormat
from thane.clock import Clock
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import JSON, AgentEvent, Message, Role, ToolCall, Turn
from thane.wire.errors import FieldError
from thane.wire.json_text import dump


class ChatRequest(msgspec.Struct, frozen=True):
    """A turn, and how its answer is to be written. `wants_usage`: OpenAI's `stream_options.include_usage`.

    `wants_context`: whether an answer of Ollama's `/api/generate` says how to go on from it.
    """

    turn: Turn
    stream: bool
    wants_usage: bool = False
    wants_context: bool = False


class Opening(msgspec.Struct, frozen=True):
    """What an encoder is told when a run has begun."""

    run_id: str
    conversation_id: str
    clock: Clock


class Encoder(Protocol):
    """Writes one answer. Bytes are only ever whole lines or frames; `b""` means that there is nothing to show.

    The last event is `RunFinished` or `RunFailed`; an encoder of a whole answer gives everything then.
    """

    @property
    def content_type(self) -> str: ...

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes: ...


class Call(msgspec.Struct, frozen=True):
    """A tool call as a client sends it back; `id` may be ""."""

    id: str
    name: str
    arguments: dict[str, Any]


class Said(msgspec.Struct):
    """A message as a client sends it, before its tool results are paired."""

    role: Role
    content: str = ""
    thinking: str = ""
    calls: Sequence[Call] = ()
    call_id: str = ""
    tool_name: str = ""
    images: tuple[str, ...] = ()


_PLAIN: dict[object, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def plain(item: Any) -> Message | None:
    """A message of role and text alone, as most of a long history are, without a look at each possible field."""
    if not isinstance(item, dict):
        return None
    fields: dict[str, Any] = item
    if len(fields) != 2:
        return None
    content, role = fields.get("content"), fields.get("role")
    if not isinstance(content, str) or not isinstance(role, str) or role not in _PLAIN:
        return None
    return Message(_PLAIN[role], content)


def pair(said: Iterable[Said | Message]) -> tuple[Message, ...]:
    """Messages in which every call has an id and every result says which call it answers.

    Results without an id go to the open calls of their tool, or else to the open calls in order, as Home Assistant
    needs. One whose call was trimmed from the history gets an id that no call has. Ids that are missing are made from
    the position, so that the same history always reads the same.
    """
    messages: list[Message] = []
    unanswered: list[ToolCall] = []
    for index, each in enumerate(said):
        if isinstance(each, Message):
            messages.append(each)
            if each.role == "assistant":
                unanswered = []
            continue
        if each.role == "tool":
            call = _answered(each, unanswered)
            call_id = call.id if call else each.call_id or f"call_{index}"
            name = each.tool_name or (call.name if call else "")
            messages.append(Message("tool", each.content, tool_call_id=call_id, tool_name=name, images=each.images))
            continue
        calls = tuple(
            ToolCall(call.id or f"call_{index}_{number}", call.name, call.arguments)
            for number, call in enumerate(each.calls)
        )
        if each.role == "assistant":
            unanswered = list(calls)
        messages.append(Message(each.role, each.content, each.thinking, calls, images=each.images))
    return tuple(messages)


def _answered(result: Said, unanswered: list[ToolCall]) -> ToolCall | None:
    """Take the call that `result` answers from `unanswered`."""
    for index, call in enumerate(unanswered):
        by_tool = not result.tool_name or call.name == result.tool_name
        if call.id == result.call_id if result.call_id else by_tool:
            return unanswered.pop(index)
    return None


def check_counts(messages: int, tools: int, limits: Limits) -> None:
    """Refuse more than one request may hold."""
    if messages > limits.messages_per_turn:
        raise FieldError(
            f"the request has {messages} messages; at most {limits.messages_per_turn} are accepted "
            "(limits.messages_per_turn)",
            "messages",
        )
    if tools > limits.tools_per_turn:
        raise FieldError(
            f"the request has {tools} tools; at most {limits.tools_per_turn} are accepted (limits.tools_per_turn)",
            "tools",
        )


def check_schema(schema: JSON, where: str, words: str, limits: Limits) -> JSON:
    """A JSON Schema that an answer is to have, as it is. Raises FieldError, with `words` and why, where it is none."""
    size = len(dump(schema))
    if size > limits.schema_bytes:
        most = f"at most {limits.schema_bytes} are accepted (limits.schema_bytes)"
        raise FieldError(f"{words}: it has {size} bytes; {most}", where)
    try:
        AnswerFormat(schema)
    except ValueError as error:
        raise FieldError(f"{words}: {error}", where) from None
    return schema


def as_object(document: Any) -> dict[str, Any]:
    """The body's object. Raises ClientError for any other JSON value."""
    if not isinstance(document, dict):
        raise ClientError("the request body must be a JSON object", code="invalid_request")
    return document
