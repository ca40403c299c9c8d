"""The chat protocols, each as one value: how a request is read and how its answer, or a refusal, is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from thane.config.settings import Limits
from thane.wire import (
    anthropic_messages,
    native_chat,
    ollama_chat,
    ollama_generate,
    openai_chat,
    openai_completions,
    openai_responses,
)
from thane.wire.anthropic_reply import PING, MessageStream, MessageWhole
from thane.wire.chat import ChatRequest, Encoder, Opening
from thane.wire.errors import Refusal, anthropic_error, native_error, ollama_error, openai_error
from thane.wire.native_chat import NativeStream, NativeWhole
from thane.wire.ollama_generate import GenerateStream, GenerateWhole
from thane.wire.ollama_reply import OllamaStream, OllamaWhole, speaks_at_once
from thane.wire.openai_completions import CompletionStream, CompletionWhole
from thane.wire.openai_reply import HEARTBEAT, OpenAiStream, OpenAiWhole
from thane.wire.openai_responses_reply import ResponseStream, ResponseWhole


def _never(_request: ChatRequest) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One protocol. `heartbeat` is sent while nothing else is; `b""` where the protocol has no such thing.

    `says_refusals`: whether this client is better told in the answer itself, with status 200, why there is none.
    """

    decode: Callable[[Any, Mapping[str, str], Limits], ChatRequest]
    stream: Callable[[ChatRequest, Opening], Encoder]
    whole: Callable[[ChatRequest, Opening], Encoder]
    refuse: Callable[[Refusal], bytes] = openai_error
    says_refusals: Callable[[ChatRequest], bool] = _never
    heartbeat: bytes = HEARTBEAT


OLLAMA = Codec(
    decode=ollama_chat.decode,
    stream=OllamaStream,
    whole=OllamaWhole,
    refuse=ollama_error,
    says_refusals=speaks_at_once,
    heartbeat=b"",
)
OLLAMA_GENERATE = Codec(
    decode=ollama_generate.decode, stream=GenerateStream, whole=GenerateWhole, refuse=ollama_error, heartbeat=b""
)
OPENAI = Codec(decode=openai_chat.decode, stream=OpenAiStream, whole=OpenAiWhole)
COMPLETIONS = Codec(decode=openai_completions.decode, stream=CompletionStream, whole=CompletionWhole)
RESPONSES = Codec(decode=openai_responses.decode, stream=ResponseStream, whole=ResponseWhole)
MESSAGES = Codec(
    decode=anthropic_messages.decode, stream=MessageStream, whole=MessageWhole, refuse=anthropic_error, heartbeat=PING
)
NATIVE = Codec(decode=native_chat.decode, stream=NativeStream, whole=NativeWhole, refuse=native_error)
