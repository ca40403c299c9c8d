"""The OpenAI chat completions format without I/O: a `ModelRequest` out as bytes, the events of the answer in.

Sources: OpenAI's API reference (chat completions, streaming), and what llama.cpp, vLLM, LM Studio, LiteLLM, OpenRouter
and DeepSeek add to it: reasoning under three names, `timings`, cached tokens under other names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thane.ids import Ids
from thane.models.counts import counted
from thane.models.failures import Failures
from thane.models.images import data_url
from thane.models.provider import ModelCalls, ModelDone, ModelOutput, ModelRequest
from thane.models.sse import EventReader
from thane.turn import JSON, FinishReason, Logprob, Message, Options, Text, Thinking, ToolCall, Usage

_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CHARACTERS_A_TOKEN = 4
_EVERYWHERE = ("presence_penalty", "frequency_penalty", "logit_bias", "user")
_AT_HOME = ("top_k", "min_p", "typical_p", "repeat_penalty", "mirostat", "mirostat_tau", "mirostat_eta")


OPTIONAL = frozenset(
    (
        *("stream_options", "temperature", "top_p", "seed", "max_tokens", "logprobs", "top_logprobs"),
        *("reasoning_effort", "chat_template_kwargs", "stop", *_EVERYWHERE, *_AT_HOME),
    )
)
"""Fields that a request can do without: answers are a little less as they were wished, but there are answers."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprob(msgspec.Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None
    top_logprobs: list[_Logprob] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Logprob] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    logprobs: _Logprobs | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: Any = None
    reasoning_tokens: Any = None


class _Usage(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: Any = None  # DeepSeek


class _Timings(msgspec.Struct):
    """llama.cpp's. `prompt_n` is what was not in the cache."""

    cache_n: Any = None
    prompt_n: Any = None
    prompt_ms: Any = None
    predicted_n: Any = None
    predicted_ms: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None
    error: Any = None


class _Building:
    """A tool call, as far as it has come."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []


_decoder = msgspec.json.Decoder(_Chunk)
_encoder = msgspec.json.Encoder()


class CompletionReader(EventReader):
    """The events of one answer. Its end is a `finish_reason`; counts may follow it, then `[DONE]`.

    Without a `finish_reason` the answer was cut, whatever comes after: some proxies end every stream alike.
    """

    __slots__ = ("_building", "_by_index", "_characters", "_pieces", "_reason", "_timings", "_usage")

    def __init__(self, ids: Ids, *, failures: Failures, line_bytes: int) -> None:
        super().__init__(ids, failures=failures, line_bytes=line_bytes)
        self._building: list[_Building] = []
        self._by_index: dict[int, _Building] = {}
        self._pieces = 0
        self._characters = 0
        self._reason = ""
        self._usage: _Usage | None = None
        self._timings: _Timings | None = None

    def take(self, payload: bytes, outputs: list[ModelOutput]) -> None:
        if payload == b"[DONE]":
            self.finish(outputs)
            if not self.done and self.failure is None:
                self.fail(self.failures.incomplete())
            return
        try:
            chunk = _decoder.decode(payload)
        except _BAD_JSON:
            self.fail(self.failures.unreadable())
            return
        if chunk.error is not None:
            self.fail(self.failures.failed_within(chunk.error, _status(chunk.error)))
            return
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.timings is not None:
            self._timings = chunk.timings
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choice(choice, outputs)

    def _choice(self, choice: _Choice, outputs: list[ModelOutput]) -> None:
        self.progress = True
        delta = choice.delta
        if delta is not None:
            if thought := delta.reasoning_content or delta.reasoning or delta.thinking:
                outputs.append(Thinking(thought))
                self._count(thought)
            if content := delta.content or delta.refusal:
                text = content if isinstance(content, str) else _text_of(content)
                if text:
                    self._count(text)
                    told = choice.logprobs.content if choice.logprobs is not None else None
                    outputs.append(Text(text, tuple(map(_told, told))) if told else Text(text))
            for call in delta.tool_calls or ():
                self._call(call)
        if choice.finish_reason:
            self._reason = choice.finish_reason
            self._close_calls(outputs)

    def _count(self, text: str) -> None:
        self._pieces += 1
        self._characters += len(text)

    def _call(self, call: _Call) -> None:
        """Add a piece of a call. Servers tell calls apart by index, by id, or by sending each whole."""
        function = call.function or _Function()
        index = call.index if call.index is not None else None
        known = self._by_index.get(index) if index is not None else self._building[-1] if self._building else None
        another = bool(call.id and function.name and known is not None and call.id != known.id)
        if known is None or another or (index is None and function.name):
            known = _Building(call.id or "", function.name or "")
            self._building.append(known)
            self._by_index[index if index is not None else -len(self._building)] = known
        elif function.name and not known.name:
            known.name = function.name
        known.id = known.id or call.id or ""
        if isinstance(function.arguments, str):
            known.arguments.append(function.arguments)
            self._count(function.arguments)
        elif function.arguments is not None:
            known.arguments.append(msgspec.json.encode(function.arguments).decode())

    def _close_calls(self, outputs: list[ModelOutput]) -> None:
        """The calls, now that they are whole."""
        calls: list[ToolCall] = []
        for each in self._building:
            text = "".join(each.arguments)
            try:
                arguments = msgspec.json.decode(text, type=dict[str, Any]) if text.strip() else {}
            except _BAD_JSON:
                self.fail(self.failures.unreadable_call(cut=self._reason == "length"))
                return
            if not each.name:
                self.fail(self.failures.unreadable_call())
                return
            calls.append(ToolCall(each.id or self.ids.call(), each.name, arguments))
        self._building.clear()
        self._by_index.clear()
        if calls:
            outputs.append(ModelCalls(tuple(calls)))
            self._reason = "tool_calls" if self._reason != "length" else self._reason

    def finish(self, outputs: list[ModelOutput]) -> None:
        if not self._reason:
            return
        if self._reason == "content_filter":
            text = "The model server withheld the answer (content filter)."
            self.fail(self.failures.error(text, temporary=False))
            return
        if self._reason == "error":  # OpenRouter
            self.fail(self.failures.failed_within(None))
            return
        self.done = True
        pieces = max(self._pieces, self._characters // _CHARACTERS_A_TOKEN)  # most servers send a token at a time
        outputs.append(_done(self._usage, self._timings, _REASONS.get(self._reason, "stop"), pieces))


_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


def _text_of(parts: list[Any]) -> str:
    """The text of content in parts, as Mistral's API sends it."""
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _told(logprob: _Logprob) -> Logprob:
    return Logprob(logprob.token, logprob.logprob, logprob.bytes, tuple(map(_told, logprob.top_logprobs or ())))


def _status(error: object) -> int | None:
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    status = counted(code)
    return status if status is not None and 400 <= status < 600 else None


def _done(usage: _Usage | None, timings: _Timings | None, reason: FinishReason, pieces: int) -> ModelDone:
    """`pieces` are about the tokens that came, for where the server tells no count."""
    usage, timings = usage or _Usage(), timings or _Timings()
    prompt, output = counted(usage.prompt_tokens), counted(usage.completion_tokens)
    if prompt is None and (new := counted(timings.prompt_n)) is not None:
        prompt = new + (counted(timings.cache_n) or 0)
    if output is None:
        output = counted(timings.predicted_n)
    inner, outer = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    cached = counted(inner.cached_tokens) or counted(usage.prompt_cache_hit_tokens) or counted(timings.cache_n) or 0
    reasoning = counted(outer.reasoning_tokens) or 0
    return ModelDone(
        Usage(
            prompt or 0,
            pieces if output is None else output,
            min(cached, prompt or 0),  # a part of the prompt, whatever a server says
            min(reasoning, output or 0),
            estimated=prompt is None or output is None,
        ),
        reason,
        prompt_duration=_seconds(timings.prompt_ms),
        decode_duration=_seconds(timings.predicted_ms),
    )


def _seconds(milliseconds: object) -> float | None:
    if not isinstance(milliseconds, float | int) or isinstance(milliseconds, bool) or milliseconds < 0:
        return None
    return milliseconds / 1000


def encode_request(
    request: ModelRequest,
    *,
    local: bool,
    completion_tokens: bool = False,
    without: frozenset[str] = frozenset(),
) -> bytes:
    """The body of a streaming `POST …/chat/completions`.

    `local` servers are also sent what only they know (`top_k`, `chat_template_kwargs`); others would refuse it.
    `completion_tokens` is the newer name of the limit, the only one that OpenAI's own reasoning models take. `without`
    are fields of `OPTIONAL` that the model has refused.
    """
    body: JSON = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [_message(each) for each in request.messages],
    }
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
        if request.tool_choice != "auto":
            body["tool_choice"] = _choice(request.tool_choice)
    body |= _sampling(request.options, local=local, completion_tokens=completion_tokens)
    return _encoder.encode({name: value for name, value in body.items() if name not in without} if without else body)


def _choice(choice: str) -> JSON | str:
    if choice in ("none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _sampling(options: Options, *, local: bool, completion_tokens: bool) -> JSON:
    limit = options.max_tokens if options.max_tokens is not None and options.max_tokens > 0 else None
    named: JSON = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed,
        "max_completion_tokens" if completion_tokens else "max_tokens": limit,
        "stop": options.stop or None,
        "response_format": _format(options.format),
        "logprobs": options.logprobs or None,
        "top_logprobs": options.top_logprobs or None if options.logprobs else None,
    }
    if isinstance(options.think, str):
        named["reasoning_effort"] = "high" if options.think == "max" else options.think
    elif options.think is not None and local:
        named["chat_template_kwargs"] = {"enable_thinking": options.think}
    for name in (*_EVERYWHERE, *_AT_HOME) if local else _EVERYWHERE:
        named.setdefault(name, options.extra.get(name))
    return {name: value for name, value in named.items() if value is not None}


def _format(wanted: str | JSON | None) -> JSON | None:
    if wanted is None:
        return None
    if isinstance(wanted, str):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted}}


def _message(message: Message) -> JSON:
    out: JSON = {"role": message.role, "content": message.content}
    if message.images:
        parts = [{"type": "text", "text": message.content}] if message.content else []
        pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images]
        out["content"] = [*parts, *pictures]
    if message.tool_calls:
        out["content"] = message.content or None
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _encoder.encode(call.arguments).decode()},
            }
            for call in message.tool_calls
        ]
    if message.role == "tool":
        out["tool_call_id"] = message.tool_call_id
    return out
