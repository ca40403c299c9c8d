"""A script as Anthropic's `/v1/messages` says it: named server-sent events, text in numbered blocks."""

from __future__ import annotations

import msgspec

from thane.testing.script import JSON, Call, Fail, Line, Raw, Say, Stop, Think

_REASONS = {"stop": "end_turn", "length": "max_tokens"}
SIGNATURE = "c2lnbmVk"
"""The signature of every thinking block; it has to come back as it is."""


class AnthropicLines:
    """See `thane.testing.script.Format`."""

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self._blocks = 0
        self._calls = 0

    def begin(self, model: str, stop: Stop | None) -> list[bytes]:
        usage: JSON = {"output_tokens": 1}
        if stop is not None and stop.prompt_tokens is not None:
            new = stop.prompt_tokens
            if isinstance(new, int):
                new -= stop.cached_tokens + stop.cache_write_tokens
            cached = {
                "cache_read_input_tokens": stop.cached_tokens,
                "cache_creation_input_tokens": stop.cache_write_tokens,
            }
            usage |= {"input_tokens": new, **cached}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
        return [_event("message_start", {"message": message}) + _event("ping", {})]

    def lines(self, step: Line, model: str) -> list[bytes]:  # noqa: ARG002  the interface's
        match step:
            case Say():
                deltas = [{"type": "text_delta", "text": piece} for piece in step.pieces]
                return self._block({"type": "text", "text": ""}, deltas)
            case Think():
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in step.pieces]
                return self._block({"type": "thinking", "thinking": "", "signature": ""}, deltas, SIGNATURE)
            case Call():
                return [b"".join(self._call(step, position) for position in range(len(step.calls)))]
            case Raw():
                return [step.data]
            case Fail():
                return [_event("error", {"error": {"type": "api_error", "message": step.message}})]
            case Stop():
                return [self._end(step)]

    def _call(self, step: Call, position: int) -> bytes:
        name, arguments = step.calls[position]
        call_id = step.ids[position] if step.ids else f"toolu_fake{self._calls}"
        self._calls += 1
        text = msgspec.json.encode(arguments).decode()
        half = len(text) // 2
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in (text[:half], text[half:])]
        return b"".join(self._block({"type": "tool_use", "id": call_id, "name": name, "input": {}}, deltas))

    def _block(self, block: JSON, deltas: list[JSON], signature: str = "") -> list[bytes]:
        """A block's events, one line for each delta; its start and its end leave with the first and the last."""
        index, self._blocks = self._blocks, self._blocks + 1
        lines = [_event("content_block_delta", {"index": index, "delta": delta}) for delta in deltas] or [b""]
        lines[0] = _event("content_block_start", {"index": index, "content_block": block}) + lines[0]
        if signature:
            delta = {"type": "signature_delta", "signature": signature}
            lines[-1] += _event("content_block_delta", {"index": index, "delta": delta})
        lines[-1] += _event("content_block_stop", {"index": index})
        return lines

    def _end(self, stop: Stop) -> bytes:
        reason = "tool_use" if self._calls and stop.reason == "stop" else _REASONS.get(stop.reason, stop.reason)
        usage = {} if stop.output_tokens is None else {"output_tokens": stop.output_tokens}
        delta = {"stop_reason": reason, "stop_sequence": None}
        return _event("message_delta", {"delta": delta, "usage": usage}) + _event("message_stop", {})


def _event(kind: str, fields: JSON) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
