"""A script as Ollama's `/api/chat` says it: JSON lines (api/types.go, ChatResponse).

The steps themselves are those of `thane.testing.script`, and are found here too.
"""

from __future__ import annotations

import msgspec

from thane.testing.script import (
    JSON,
    Call,
    Cut,
    Fail,
    Line,
    Plan,
    Raw,
    Reply,
    Say,
    Step,
    Stop,
    Think,
    Wait,
    answer,
    tool_call,
)

__all__ = [
    "JSON",
    "Call",
    "Cut",
    "Fail",
    "OllamaLines",
    "Plan",
    "Raw",
    "Reply",
    "Say",
    "Step",
    "Stop",
    "Think",
    "Wait",
    "answer",
    "tool_call",
]

_DATE = "2026-11-23T04:30:31.123456789Z"
_SECOND = 1_000_000_000  # Ollama's durations are integer nanoseconds


class OllamaLines:
    """See `thane.testing.script.Format`."""

    content_type = "application/x-ndjson"

    def begin(self, model: str, stop: Stop | None) -> list[bytes]:  # noqa: ARG002  the interface's
        return []

    def lines(self, step: Line, model: str) -> list[bytes]:
        match step:
            case Say():
                return [_line(model, {"role": "assistant", "content": piece}) for piece in step.pieces]
            case Think():
                return [_line(model, {"role": "assistant", "content": "", "thinking": piece}) for piece in step.pieces]
            case Call():
                calls: list[JSON] = []
                for index, (name, arguments) in enumerate(step.calls):
                    call: JSON = {"function": {"index": index, "name": name, "arguments": arguments}}
                    calls.append({"id": step.ids[index], **call} if step.ids else call)
                return [_line(model, {"role": "assistant", "content": "", "tool_calls": calls})]
            case Raw():
                return [step.data]
            case Fail():
                return [msgspec.json.encode({"error": step.message}) + b"\n"]
            case Stop():
                return [_done_line(step, model)]


def _line(model: str, message: JSON) -> bytes:
    line = {"model": model, "created_at": _DATE, "message": message, "done": False}
    return msgspec.json.encode(line) + b"\n"


def _done_line(stop: Stop, model: str) -> bytes:
    line: JSON = {
        "model": model,
        "created_at": _DATE,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": stop.reason,
        "total_duration": int((stop.prompt_seconds + stop.decode_seconds + stop.load_seconds) * _SECOND),
        "load_duration": int(stop.load_seconds * _SECOND),
        "prompt_eval_duration": int(stop.prompt_seconds * _SECOND),
        "eval_duration": int(stop.decode_seconds * _SECOND),
    }
    if stop.prompt_tokens is not None:
        line["prompt_eval_count"] = stop.prompt_tokens
    if stop.output_tokens is not None:
        line["eval_count"] = stop.output_tokens
    return msgspec.json.encode(line) + b"\n"
