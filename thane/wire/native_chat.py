"""Thane's own `/v1/chat`: one message in, one answer out, the history kept by Thane.

The answer as a stream is server-sent events, each one JSON object with a `type`: `started`, `text`, `thinking`,
`tool_started`, `tool_finished`, and last `done` or `error`. The whole answer is the object of `done`, without `type`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thane.config.settings import Limits
from thane.turn import (
    AgentEvent,
    Message,
    Options,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    Thinking,
    ToolFinished,
    ToolStarted,
    Turn,
)
from thane.wire import caller
from thane.wire.chat import ChatRequest, Opening, as_object
from thane.wire.errors import FieldError, Refusal, error_object
from thane.wire.fields import Fields
from thane.wire.images import check_images
from thane.wire.json_text import dump, escape, quote
from thane.wire.ollama_chat import think
from thane.wire.openai_chat import DIALECT

_TEXT = b'data: {"type":"text","text":'
_END = b"}\n\n"


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:
    """Read `{message, conversation_id?, stream?, model?, images?, think?, language?, area?, device?, user?}`.

    Raises ClientError (400).
    """
    body = Fields(as_object(document), DIALECT)
    message = body.text("message")
    if not message.strip():
        raise FieldError("message is required", "message")
    for key in ("language", "area", "device", "user"):
        body.text(key)  # Thane's own API says so where one of them is none
    who = caller.identify(headers, body=body.values)
    if not who.conversation_id and body.text("conversation_id"):
        raise FieldError("conversation_id is too long or holds characters that no id has", "conversation_id")
    turn = Turn(
        messages=(Message("user", message, images=check_images(body.strings("images"), limits, "images")),),
        model=body.text("model"),
        options=Options(think=think(body.values.get("think"))),
        caller=who,
        continues=bool(who.conversation_id),
    )
    return ChatRequest(turn, stream=body.flag("stream", default=False))


class NativeStream:
    """The answer as server-sent events."""

    content_type = "text/event-stream"

    def __init__(self, _request: ChatRequest, opening: Opening) -> None:
        self._opening = opening

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        pieces: list[bytes] = []
        for event in batch:
            if isinstance(event, Text):
                pieces += (_TEXT, quote(event.text), _END)
            elif value := _shown(event, self._opening):
                pieces += (b"data: ", dump(value), b"\n\n")
        return escape(b"".join(pieces))


class NativeWhole:
    """The answer as one object."""

    content_type = "application/json"

    def __init__(self, _request: ChatRequest, opening: Opening) -> None:
        self._opening = opening
        self._thinking: list[str] = []

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        for event in batch:
            if isinstance(event, Thinking):
                self._thinking.append(event.text)
            elif isinstance(event, RunFinished):
                thinking = "".join(self._thinking)
                return dump(answer(event, self._opening) | ({"thinking": thinking} if thinking else {}))
        return b""


def _shown(event: AgentEvent, opening: Opening) -> dict[str, Any] | None:
    match event:
        case RunStarted(run_id=run_id, conversation_id=conversation_id, profile=profile):
            shown: dict[str, Any] | None = {
                "type": "started",
                "run_id": run_id,
                "conversation_id": conversation_id,
                "profile": profile,
            }
        case Thinking(text=text):
            shown = {"type": "thinking", "text": text}
        case ToolStarted(call=call):
            shown = {"type": "tool_started", "id": call.id, "name": call.name, "arguments": call.arguments}
        case ToolFinished(call=call, ok=ok, duration=duration):
            shown = {"type": "tool_finished", "id": call.id, "name": call.name, "ok": ok}
            shown["duration_ms"] = _milliseconds(duration)
        case RunFinished():
            shown = {"type": "done"} | answer(event, opening)
        case RunFailed():
            shown = {"type": "error"} | error_object(Refusal.of_run(event))
        case _:
            shown = None
    return shown


def answer(done: RunFinished, opening: Opening) -> dict[str, Any]:
    """A finished run as `/v1/chat` tells it. Times are in milliseconds; `model` is the one that answered."""
    usage = done.usage
    return {
        "response": done.text,
        "model": done.model,
        "conversation_id": opening.conversation_id,
        "run_id": done.run_id,
        "finish_reason": done.finish_reason,
        "steps": done.steps,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "estimated": usage.estimated,
        },
        "duration_ms": _milliseconds(done.duration),
        "first_token_ms": None if done.first_token is None else _milliseconds(done.first_token),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
