"""A script as an OpenAI-compatible server says it: chat completion chunks as server-sent events."""

from __future__ import annotations

import msgspec

from thane.testing.script import JSON, Call, Fail, Line, Raw, Say, Stop, Think

_HALF = 2  # arguments of a call come in two pieces, so that they have to be put together


class OpenAILines:
    """See `thane.testing.script.Format`. `reasoning` is the name under which the server has its reasoning."""

    content_type = "text/event-stream"

    def __init__(self, reasoning: str = "reasoning_content") -> None:
        self._reasoning = reasoning
        self._calls = 0

    def begin(self, model: str, stop: Stop | None) -> list[bytes]:  # noqa: ARG002  the interface's
        return []

    def lines(self, step: Line, model: str) -> list[bytes]:
        match step:
            case Say():
                return [_delta(model, {"content": piece}) for piece in step.pieces]
            case Think():
                return [_delta(model, {self._reasoning: piece}) for piece in step.pieces]
            case Call():
                return [self._call(step, model)]
            case Raw():
                return [step.data]
            case Fail():
                return [_event({"error": {"message": step.message, "type": "server_error", "code": 500}})]
            case Stop():
                return [self._end(step, model)]

    def _call(self, step: Call, model: str) -> bytes:
        out: list[bytes] = []
        for position, (name, arguments) in enumerate(step.calls):
            index, self._calls = self._calls, self._calls + 1
            call_id = step.ids[position] if step.ids else f"call_fake{index}"
            text = msgspec.json.encode(arguments).decode()
            half = len(text) // _HALF
            head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            tails = [{"index": index, "function": {"arguments": part}} for part in (text[:half], text[half:])]
            out += [_delta(model, {"tool_calls": [each]}) for each in (head, *tails)]
        return b"".join(out)

    def _end(self, stop: Stop, model: str) -> bytes:
        reason = "tool_calls" if self._calls and stop.reason == "stop" else stop.reason
        out = [_delta(model, {}, reason)]
        if stop.prompt_tokens is not None and stop.output_tokens is not None:
            usage = {
                "prompt_tokens": stop.prompt_tokens,
                "completion_tokens": stop.output_tokens,
                "prompt_tokens_details": {"cached_tokens": stop.cached_tokens},
                "completion_tokens_details": {"reasoning_tokens": stop.reasoning_tokens},
            }
            out.append(_chunk(model, choices=[], usage=usage))
        return b"".join((*out, b"data: [DONE]\n\n"))


def _delta(model: str, delta: JSON, reason: str | None = None) -> bytes:
    return _chunk(model, choices=[{"index": 0, "delta": delta, "finish_reason": reason}])


def _chunk(model: str, **fields: object) -> bytes:
    kind = "chat.completion.chunk"
    return _event({"id": "chatcmpl-1", "object": kind, "created": 1_764_000_000, "model": model, **fields})


def _event(payload: JSON) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(payload)
