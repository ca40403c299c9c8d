"""Ollama's chat format without I/O: a `ModelRequest` out as bytes, the lines of the answer in as model output.

Source: Ollama's api/types.go and docs/api.md (ChatRequest, ChatResponse). No HTTP and no time-outs here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thane.ids import Ids
from thane.models.context import Sent
from thane.models.counts import counted
from thane.models.failures import Failures
from thane.models.provider import ModelCalls, ModelDone, ModelError, ModelOutput, ModelRequest
from thane.models.tools_memo import ToolsMemo
from thane.turn import JSON, FinishReason, Logprob, Message, Options, Text, Thinking, ToolCall, ToolSpec, Usage

BESIDE_OPTIONS = ("truncate", "shift")
"""Wishes of `Options.extra` that stand beside `options` in a request: what to do with a prompt that is too long."""
_UNKNOWN = ("logit_bias",)
"""Wishes of OpenAI's that Ollama has no word for."""
_SECOND = 1_000_000_000  # Ollama's durations are integer nanoseconds


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: JSON | str | None = None


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Said(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprob(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None
    top_logprobs: list[_Logprob] | None = None


class _Line(msgspec.Struct, gc=False):
    """One line of the answer. The metrics stand on the last one, and are left out when 0 or unknown."""

    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    error: Any = None
    logprobs: list[_Logprob] | None = None
    prompt_eval_count: Any = None  # read with care: a wrong count spoils no answer
    eval_count: Any = None
    prompt_eval_duration: Any = None
    eval_duration: Any = None
    load_duration: Any = None


_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # msgspec raises all three

_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


class AnswerReader:
    """The lines of one streamed answer. `done` once the last one came; `failure` once nothing more can come.

    `progress`: the last bytes completed a line. `line_bytes` is the longest line that is accepted; `sent` says how
    large a prompt and a context were sent, to tell what did not fit.
    """

    __slots__ = (
        *("_called", "_failures", "_ids", "_line_bytes", "_rest", "_sent", "_unreadable"),
        *("done", "failure", "progress"),
    )

    def __init__(self, ids: Ids, *, failures: Failures, line_bytes: int, sent: Sent | None = None) -> None:
        self.done = False
        self.failure: ModelError | None = None
        self.progress = False
        self._ids = ids
        self._failures = failures
        self._sent = sent
        self._unreadable = False
        self._line_bytes = line_bytes
        self._rest = b""
        self._called = False

    def receive(self, data: bytes) -> tuple[ModelOutput, ...]:
        """Everything that these bytes complete. What stood before a failure is returned, and `failure` is set."""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self.progress = end > 0
        self._rest = data[end:]
        if len(self._rest) > self._line_bytes:
            self.failure = self._failures.line_too_long(self._line_bytes)
            return ()
        return self._read(data[:end]) if end else ()

    def end(self) -> tuple[ModelOutput, ...]:
        """The body is over. Without the last line before, it was cut, and `failure` is set."""
        outputs: tuple[ModelOutput, ...] = ()
        if self._rest.strip():  # a last line need not end in a newline
            rest, self._rest = self._rest, b""
            outputs = self._read(rest)
        if not self.done and (self.failure is None or self._unreadable):
            self.failure = self._failures.incomplete()
        return outputs

    def _read(self, data: bytes) -> tuple[ModelOutput, ...]:
        outputs: list[ModelOutput] = []
        try:
            lines = _decoder.decode_lines(data)
        except _BAD_JSON:
            return self._read_one_by_one(data, outputs)
        for line in lines:
            if not self._take(line, outputs):
                break
        return tuple(outputs)

    def _read_one_by_one(self, data: bytes, outputs: list[ModelOutput]) -> tuple[ModelOutput, ...]:
        """Save the good lines before the bad one."""
        for raw in data.split(b"\n"):
            if not raw.strip():
                continue
            try:
                line = _decoder.decode(raw)
            except _BAD_JSON:
                self._unreadable = True
                self.failure = self._failures.unreadable()
                break
            if not self._take(line, outputs):
                break
        return tuple(outputs)

    def _take(self, line: _Line, outputs: list[ModelOutput]) -> bool:
        """Add what a line says; False when it is the last."""
        if line.error is not None:
            self.failure = self._failures.failed_within(line.error)
            return False
        message = line.message
        if message is not None:
            if message.thinking:
                outputs.append(Thinking(message.thinking))
            if message.content:
                told = line.logprobs
                outputs.append(Text(message.content, tuple(map(_told, told))) if told else Text(message.content))
            if message.tool_calls and not self._take_calls(message.tool_calls, outputs):
                return False
        if line.done:
            self.done = True
            outputs.append(_finish(line, self._called, self._sent))
            return False
        return True

    def _take_calls(self, calls: list[_Call], outputs: list[ModelOutput]) -> bool:
        taken: list[ToolCall] = []
        for call in calls:
            arguments = _arguments(call.function.arguments)
            if arguments is None or not call.function.name:
                self.failure = self._failures.unreadable_call()
                return False
            taken.append(ToolCall(call.id or self._ids.call(), call.function.name, arguments))
        self._called = True
        outputs.append(ModelCalls(tuple(taken)))
        return True


def _told(logprob: _Logprob) -> Logprob:
    return Logprob(logprob.token, logprob.logprob, logprob.bytes, tuple(map(_told, logprob.top_logprobs or ())))


def _arguments(value: JSON | str | None) -> JSON | None:
    """Arguments as an object; some servers behind Ollama's API send them as JSON text. None when they are neither."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value, type=dict[str, Any])
        except msgspec.DecodeError:
            return None
    return value


def _finish(line: _Line, called: bool, sent: Sent | None) -> ModelDone:
    reason: FinishReason = "tool_calls" if called else "length" if line.done_reason == "length" else "stop"
    prompt, output = counted(line.prompt_eval_count), counted(line.eval_count)
    return ModelDone(
        Usage(input_tokens=prompt or 0, output_tokens=output or 0, estimated=prompt is None or output is None),
        reason,
        prompt_duration=_seconds(line.prompt_eval_duration),
        decode_duration=_seconds(line.eval_duration),
        load_duration=_seconds(line.load_duration),
        truncated_tokens=sent.truncated(prompt) if sent is not None else 0,
    )


def _seconds(nanoseconds: Any) -> float | None:
    value = counted(nanoseconds)
    return None if value is None else value / _SECOND


def encode_request(request: ModelRequest, context_tokens: int | None = None) -> bytes:
    """The body of a streaming `POST /api/chat`. `context_tokens` is the context to load the model with, if any."""
    body: JSON = {"model": request.model, "stream": True, "messages": [_message(each) for each in request.messages]}
    if request.tools:
        body["tools"] = _tools(request.tools)
    options = request.options
    settings = _sampling(options)
    if context_tokens is not None:
        settings["num_ctx"] = context_tokens
    if settings:
        body["options"] = settings
    if options.format is not None:
        body["format"] = options.format
    body |= {key: options.extra[key] for key in BESIDE_OPTIONS if key in options.extra}
    if options.think is not None:
        body["think"] = options.think
    if options.logprobs:
        body["logprobs"] = True
        if options.top_logprobs:
            body["top_logprobs"] = options.top_logprobs
    if (seconds := options.keep_alive_seconds) is not None:
        body["keep_alive"] = int(seconds) if seconds == int(seconds) else seconds
    return _encoder.encode(body)


def _encode_tools(tools: tuple[ToolSpec, ...]) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode([{"type": "function", "function": tool} for tool in tools]))


_tools = ToolsMemo(_encode_tools)


def _sampling(options: Options) -> JSON:
    """The `options` object: the client's own names as they are, and the ones that Thane knows in Ollama's words."""
    named = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed,
        "num_predict": options.max_tokens,
        "stop": options.stop or None,
    }
    own = {name: value for name, value in options.extra.items() if name not in (*BESIDE_OPTIONS, *_UNKNOWN)}
    return {**own, **{name: value for name, value in named.items() if value is not None}}


def _message(message: Message) -> JSON:
    out: JSON = {"role": message.role, "content": message.content}
    if message.thinking:
        out["thinking"] = message.thinking
    if message.images:
        out["images"] = message.images
    if message.tool_calls:
        out["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}
            for index, call in enumerate(message.tool_calls)
        ]
    if message.tool_name:
        out["tool_name"] = message.tool_name
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
    return out
