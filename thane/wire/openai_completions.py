"""OpenAI's older completions, both sides: a prompt instead of messages, and text alone instead of a message.

The prompt is taken as what a user says, for Thane has no model that continues bare text. So what only such a model can
do (`suffix`, `echo`) is refused. Sources: OpenAI's API reference as openai-python types it, Ollama's openai/openai.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, override

import msgspec

from thane.config.settings import Limits
from thane.turn import Message, Options, RunFailed, RunFinished, Text, Turn
from thane.wire import caller
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening, as_object
from thane.wire.errors import FieldError, Refusal, openai_error
from thane.wire.fields import Fields
from thane.wire.json_text import dump, quote
from thane.wire.logprobs import MOST, completion_logprobs
from thane.wire.openai_chat import DIALECT, refuse_more, sampling
from thane.wire.openai_reply import DONE, finish, usage_of

_PROMPT = "a string, or an array of one string"
_CHOICE = b',"choices":[{"text":'
_REST = b',"index":0,"logprobs":null,"finish_reason":null}]}\n\n'


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:  # noqa: ARG001 as every codec
    """Read a request. Header names are lower-case. Raises ClientError (400) in OpenAI's words."""
    body = Fields(as_object(document), DIALECT)
    prompt = _prompt(body)
    refuse_more(body, "n")
    refuse_more(body, "best_of")
    if body.text("suffix"):
        raise FieldError("'suffix' is not supported: Thane's models do not fill in the middle of a text.", "suffix")
    if body.flag("echo", default=False):
        raise FieldError("'echo' is not supported: the answer never repeats the prompt.", "echo")
    messages = (Message("user", prompt),)
    turn = Turn(
        messages=messages,
        model=body.text("model"),
        options=_options(body),
        caller=caller.identify(headers, messages, body=body.values),
    )
    streaming = body.object("stream_options")
    return ChatRequest(
        turn,
        stream=body.flag("stream", default=False),
        wants_usage=streaming is not None and streaming.flag("include_usage", default=False),
    )


def _options(body: Fields) -> Options:
    """Log probabilities are asked for by a number here: of the likeliest tokens at each place."""
    options, top = sampling(body, body.integer("max_tokens")), body.integer("logprobs")
    if top is None:
        return options
    if not 0 <= top <= MOST:
        raise FieldError(f"logprobs must be between 0 and {MOST}", "logprobs")
    return msgspec.structs.replace(options, logprobs=True, top_logprobs=top)


def _prompt(body: Fields) -> str:
    value = body.values.get("prompt")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        raise FieldError("Missing required parameter: 'prompt'.", "prompt")
    if not isinstance(value, str):
        raise body.wrong("prompt", _PROMPT)
    return value


class CompletionStream(Streaming):
    """Server-sent events, one for each piece of the answer; thinking is not told, for there is no place for it."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._head = b"data: " + dump(_head(request, opening)).removesuffix(b"}")
        self._text = self._head + _CHOICE
        self._wants_usage = request.wants_usage
        self._told = 0  # characters that stand before

    @override
    def text(self, event: Text) -> Iterable[bytes]:
        if event.logprobs:
            choice = {"text": event.text, "index": 0, "logprobs": completion_logprobs(event.logprobs, self._told)}
            self._told += sum(len(each.token) for each in event.logprobs)
            return self._head, b',"choices":', dump([choice | {"finish_reason": None}]), b"}\n\n"
        return self._text, quote(event.text), _REST

    @override
    def finished(self, done: RunFinished) -> Iterable[bytes]:
        yield self._head + b',"choices":' + dump([_choice("", done)]) + b"}\n\n"
        if self._wants_usage:
            yield self._head + b',"choices":[],"usage":' + dump(usage_of(done.usage)) + b"}\n\n"
        yield DONE

    @override
    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        return b"data: ", openai_error(Refusal.of_run(failed)), b"\n\n"


class CompletionWhole(Whole):
    """One object with everything joined."""

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._head = _head(request, opening)

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        choice = _choice(text, done) | {"logprobs": completion_logprobs(self.logprobs, 0)}
        return dump(self._head | {"choices": [choice], "usage": usage_of(done.usage)})


def _head(request: ChatRequest, opening: Opening) -> dict[str, Any]:
    return {
        "id": f"cmpl-{opening.run_id}",
        "object": "text_completion",
        "created": int(opening.clock.time()),
        "model": request.turn.model or "thane:latest",
    }


def _choice(text: str, done: RunFinished) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish(done)}
