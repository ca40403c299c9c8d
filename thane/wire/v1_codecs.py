"""The protocols under `/v1` besides chat completions, each as one value like those in `thane.wire.codecs`."""

from __future__ import annotations

from thane.wire import anthropic_messages, openai_completions, openai_responses
from thane.wire.anthropic_reply import PING, MessageStream, MessageWhole
from thane.wire.chat import ChatRequest
from thane.wire.codecs import Codec
from thane.wire.errors import anthropic_error, openai_error
from thane.wire.openai_completions import CompletionStream, CompletionWhole
from thane.wire.openai_reply import HEARTBEAT
from thane.wire.openai_responses_reply import ResponseStream, ResponseWhole


def _never(_request: ChatRequest) -> bool:
    return False


COMPLETIONS = Codec(
    decode=openai_completions.decode,
    stream=CompletionStream,
    whole=CompletionWhole,
    refuse=openai_error,
    says_refusals=_never,
    heartbeat=HEARTBEAT,
)
RESPONSES = Codec(
    decode=openai_responses.decode,
    stream=ResponseStream,
    whole=ResponseWhole,
    refuse=openai_error,
    says_refusals=_never,
    heartbeat=HEARTBEAT,
)
MESSAGES = Codec(
    decode=anthropic_messages.decode,
    stream=MessageStream,
    whole=MessageWhole,
    refuse=anthropic_error,
    says_refusals=_never,
    heartbeat=PING,
)
