"""What a fake Ollama server says and how it breaks: scripts as data, and the bytes that they become.

The lines are those of Ollama's `/api/chat` (api/types.go, ChatResponse). `thane.testing.fake_ollama` plays them.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

type JSON = dict[str, Any]

_DATE = "2026-11-23T04:30:31.123456789Z"
_SECOND = 1_000_000_000  # Ollama's durations are integer nanoseconds
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


class Say(msgspec.Struct, frozen=True):
    """Pieces of the answer, one line each, `interval` seconds apart (the first at once)."""

    pieces: tuple[str, ...]
    interval: float = 0.0


class Think(msgspec.Struct, frozen=True):
    """Pieces of reasoning, one line each."""

    pieces: tuple[str, ...]
    interval: float = 0.0


class Call(msgspec.Struct, frozen=True):
    """Tool calls, all in one line: (name, arguments) each. With `ids`, each gets one, as newer servers do."""

    calls: tuple[tuple[str, JSON], ...]
    ids: tuple[str, ...] = ()


class Wait(msgspec.Struct, frozen=True):
    """Silence for so many seconds; `math.inf` is a stall that only ends when the client hangs up."""

    seconds: float = math.inf


class Cut(msgspec.Struct, frozen=True):
    """Close the connection here, in the middle of the chunked body."""


class Raw(msgspec.Struct, frozen=True):
    """Bytes that leave as one chunk, as they are: garbage, half a line, several lines."""

    data: bytes


class Fail(msgspec.Struct, frozen=True):
    """An `{"error": …}` line, as Ollama sends when a model fails in mid-stream."""

    message: str


class Stop(msgspec.Struct, frozen=True):
    """The `done: true` line. A count of None is left out. Durations in seconds."""

    reason: str = "stop"
    prompt_tokens: int | None = 11
    output_tokens: int | None = 7
    prompt_seconds: float = 0.02
    decode_seconds: float = 0.1
    load_seconds: float = 0.005


type Step = Say | Think | Call | Wait | Cut | Raw | Fail | Stop


class Reply(msgspec.Struct, frozen=True):
    """What one `/api/chat` request gets. With a `status` other than 200 the body is `error`, and `steps` do not play.

    `head_after` is how long the response head takes, in seconds; `math.inf` never sends it. `burst` is how many lines
    leave in one write while nothing waits.
    """

    steps: tuple[Step, ...] = (Stop(),)
    status: int = 200
    error: str = ""
    head_after: float = 0.0
    burst: int = 1
    cut_before_head: bool = False


def answer(*pieces: str) -> Reply:
    """An ordinary answer in these pieces."""
    return Reply((Say(pieces), Stop(output_tokens=len(pieces))))


def tool_call(name: str, /, **arguments: object) -> Reply:
    """A reply that only calls one tool."""
    return Reply((Call(((name, dict(arguments)),)), Stop()))


type Plan = list[bytes | float | None]
"""What to write (bytes), how many seconds to wait (float), where to cut the connection (None)."""


def compile_reply(reply: Reply, model: str) -> Plan:
    """The bytes of a reply of the model of that name, each line encoded once."""
    plan: Plan = []
    if reply.head_after:
        plan.append(float(reply.head_after))
    pending = [_HEAD]
    for step in reply.steps:
        if isinstance(step, Wait | Cut):
            plan += [b"".join(pending), None if isinstance(step, Cut) else float(step.seconds)]
            pending = []
            if isinstance(step, Cut):
                return plan
            continue
        for index, line in enumerate(_lines(step, model)):
            interval = step.interval if isinstance(step, Say | Think) else 0.0
            if index and interval:
                plan += [b"".join(pending), float(interval)]
                pending = []
            pending.append(b"%x\r\n%b\r\n" % (len(line), line))
            if len(pending) > reply.burst:
                plan.append(b"".join(pending))
                pending = []
    plan.append(b"".join((*pending, _END)))
    return [part for part in plan if part != b""]


def _lines(step: Say | Think | Call | Raw | Fail | Stop, model: str) -> list[bytes]:
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
