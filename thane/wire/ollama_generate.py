"""Ollama's `/api/generate`: one prompt in, one answer out, as lines or one object.

`context` is opaque to clients: a number list of an answer that a client sends back to go on from there. Ollama puts the
conversation's tokens into it, Thane the conversation's id; a list that another server made is ignored. Sources:
Ollama's api/types.go (GenerateRequest, GenerateResponse) and server/routes.go (GenerateHandler). Not here: `/api/chat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, override

import msgspec

from thane.clock import Clock
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, RunFailed, RunFinished, Text, Turn
from thane.wire import caller
from thane.wire.answers import Streaming, Whole
from thane.wire.chat import ChatRequest, Opening, as_object
from thane.wire.errors import FieldError, Refusal, ollama_error
from thane.wire.fields import Fields
from thane.wire.json_text import dump, quote
from thane.wire.logprobs import ollama_logprobs
from thane.wire.ollama_chat import GoDialect, images_of, options_of
from thane.wire.ollama_reply import Stamps, closing

_GENERATE = GoDialect("GenerateRequest")
_OWN_ID = re.compile(r"c_([0-9a-f]{16})")
_MARK = 0x7468616E
"""First number of a context that Thane made: "than" in ASCII."""

_RESPONSE = b',"response":'
_THINKING = b',"response":"","thinking":'
_MORE = b',"done":false}\n'


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:
    """Read a request; without a prompt its turn has no messages. Raises ClientError in Ollama's words.

    A turn belongs to the conversation of its `context`, otherwise to a new one, whatever else the request names.
    """
    body = Fields(as_object(document), _GENERATE)
    model, prompt, system = body.text("model"), body.text("prompt"), body.text("system")
    raw, context = body.flag("raw", default=False), _context(body)
    images = images_of(body, limits)
    if not model.strip():
        raise ClientError(f"model '{model}' not found", status=404, code="model_not_found")
    if raw and (body.text("template") or system or context):
        raise FieldError("raw mode does not support template, system, or context", "raw")
    if body.text("suffix"):
        raise FieldError(
            f'"{model}" does not support insert; send the whole text as "prompt", without "suffix"', "suffix"
        )
    if body.text("template"):
        raise FieldError('"template" is not supported: the models behind Thane keep their own', "template")
    messages: tuple[Message, ...] = ()
    if prompt:
        asked = Message("user", prompt, images=images)
        messages = (Message("system", system), asked) if system else (asked,)
    who = caller.identify(headers, messages, body=body.values)
    conversation_id = conversation_of(context)
    turn = Turn(
        messages=messages,
        model=model,
        options=options_of(body, limits),
        caller=msgspec.structs.replace(who, channel="api", conversation_id=conversation_id),
        continues=bool(conversation_id and messages),
    )
    return ChatRequest(turn, stream=body.flag("stream", default=True), wants_context=not raw)


def _context(body: Fields) -> list[int]:
    numbers = body.items("context")
    for index, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, int):
            raise _GENERATE.wrong_type(((None, "context"), index), "integer", number)
    return numbers


def context_of(conversation_id: str) -> list[int]:
    """The context that leads back to a conversation; empty for one that has no id of Thane's own."""
    found = _OWN_ID.fullmatch(conversation_id)
    return [_MARK, *(int(found[1][at : at + 4], 16) for at in range(0, 16, 4))] if found else []


def conversation_of(context: Sequence[int]) -> str:
    """The conversation that a context leads to; "" where Thane did not make it."""
    if len(context) != 5 or context[0] != _MARK or not all(0 <= each < 0x10000 for each in context[1:]):
        return ""
    return "c_" + "".join(f"{each:04x}" for each in context[1:])


class GenerateStream(Streaming):
    """Lines, one for each piece of the answer."""

    content_type = "application/x-ndjson"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._request = request
        self._opened = opening
        self._stamps = Stamps(opening.clock)
        self._start = b'{"model":' + quote(request.turn.model) + b',"created_at":"'
        self._head = b""

    @override
    def begin(self) -> None:
        self._head = self._start + self._stamps.now() + b'"'

    @override
    def text(self, event: Text) -> Iterable[bytes]:
        if event.logprobs:
            told = {"done": False, "logprobs": ollama_logprobs(event.logprobs)}
            return dump(_head(self._request, self._stamps, event.text) | told), b"\n"
        return self._head, _RESPONSE, quote(event.text), _MORE

    @override
    def thinking(self, text: str) -> Iterable[bytes]:
        return self._head, _THINKING, quote(text), _MORE

    @override
    def finished(self, done: RunFinished) -> Iterable[bytes]:
        return dump(_head(self._request, self._stamps) | _end(self._request, done, self._opened)), b"\n"

    @override
    def failed(self, failed: RunFailed) -> Iterable[bytes]:
        return ollama_error(Refusal.of_run(failed)), b"\n"


class GenerateWhole(Whole):
    """One object with everything joined."""

    content_type = "application/json; charset=utf-8"

    def __init__(self, request: ChatRequest, opening: Opening) -> None:
        super().__init__()
        self._request = request
        self._opened = opening

    @override
    def finished(self, done: RunFinished, text: str) -> bytes:
        head = _head(self._request, Stamps(self._opened.clock), text)
        if thinking := self.thought:
            head["thinking"] = thinking
        if self.logprobs:
            head["logprobs"] = ollama_logprobs(self.logprobs)
        return dump(head | _end(self._request, done, self._opened))


def loaded(request: ChatRequest, reason: str, clock: Clock) -> bytes:
    """The answer to a request without a prompt: `done_reason` is `load` or `unload`."""
    return dump(_head(request, Stamps(clock)) | {"done": True, "done_reason": reason})


def _head(request: ChatRequest, stamps: Stamps, text: str = "") -> dict[str, Any]:
    return {"model": request.turn.model, "created_at": stamps.now().decode(), "response": text}


def _end(request: ChatRequest, done: RunFinished, opening: Opening) -> dict[str, Any]:
    context = context_of(opening.conversation_id) if request.wants_context else []
    return closing(done) | ({"context": context} if context else {})
