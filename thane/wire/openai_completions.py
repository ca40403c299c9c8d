"""OpenAI's older completions, both sides: a prompt instead of messages, and text alone instead of a message.

The prompt is taken as what a user says, for Thane has no model that continues bare text. So what only such a model can
do (`suffix`, `echo`) is refused. Sources: OpenAI's API reference as openai-python types it, Ollama's openai/openai.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thane.config.settings import Limits
from thane.turn import AgentEvent, Message, RunFailed, RunFinished, Text, Turn
from thane.wire import caller
from thane.wire.chat import ChatRequest, Opening, as_object
from thane.wire.errors import FieldError, Refusal, openai_error
from thane.wire.fields import Fields
from thane.wire.json_text import dump, escape, quote
from thane.wire.openai_chat import DIALECT, no_logprobs, refuse_more, sampling
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
    if body.number("logprobs") is not None:
        raise no_logprobs("logprobs")
    if body.text("suffix"):
        raise FieldError("'suffix' is not supported: Thane's models do not fill in the middle of a text.", "suffix")
    if body.flag("echo", default=False):
        raise FieldError("'echo' is not supported: the answer never repeats the prompt.", "echo")
    messages = (Message("user", prompt),)
    turn = Turn(
        messages=messages,
        model=body.text("model"),
        options=sampling(body, body.integer("max_tokens")),
        caller=caller.identify(headers, messages, body=body.values),
    )
    streaming = body.object("stream_options")
    return ChatRequest(
        turn,
        stream=body.flag("stream", default=False),
        wants_usage=streaming is not None and streaming.flag("include_usage", default=False),
    )


def _prompt(body: Fields) -> str:
    value = body.values.get("prompt")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        raise FieldError("Missing required parameter: 'prompt'.", "prompt")
    if not isinstance(value, str):
        raise body.wrong("prompt", _PROMPT)
    return value


class CompletionStream:
    """Server-sent events, one for each piece of the answer; thinking is not told, for there is no place for it."""

    content_type = "text/event-stream"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._head = b"data: " + dump(_head(request, opening)).removesuffix(b"}")
        self._text = self._head + _CHOICE
        self._wants_usage = request.wants_usage
        self._said = False

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        pieces: list[bytes] = []
        for event in batch:
            if isinstance(event, Text):
                if event.text:
                    pieces += (self._text, quote(event.text), _REST)
                    self._said = True
            elif isinstance(event, RunFinished):
                pieces += self._finished(event)
            elif isinstance(event, RunFailed):
                pieces += (b"data: ", openai_error(Refusal.of_run(event)), b"\n\n")
        return escape(b"".join(pieces))

    def _finished(self, done: RunFinished) -> list[bytes]:
        chunks: list[bytes] = []
        if done.text and not self._said:
            chunks += (self._text, quote(done.text), _REST)
        chunks += (self._head, b',"choices":', dump([_choice("", done)]), b"}\n\n")
        if self._wants_usage:
            chunks += (self._head, b',"choices":[],"usage":', dump(usage_of(done.usage)), b"}\n\n")
        chunks.append(DONE)
        return chunks


class CompletionWhole:
    """One object with everything joined."""

    content_type = "application/json"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        self._head = _head(request, opening)
        self._text: list[str] = []

    def feed(self, batch: Sequence[AgentEvent], /) -> bytes:
        for event in batch:
            if isinstance(event, Text):
                self._text.append(event.text)
            elif isinstance(event, RunFinished):
                choice = _choice(event.text or "".join(self._text), event)
                return dump(self._head | {"choices": [choice], "usage": usage_of(event.usage)})
        return b""


def _head(request: ChatRequest, opening: Opening) -> dict[str, Any]:
    return {
        "id": f"cmpl-{opening.run_id}",
        "object": "text_completion",
        "created": int(opening.clock.time()),
        "model": request.turn.model or "thane:latest",
    }


def _choice(text: str, done: RunFinished) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish(done)}
