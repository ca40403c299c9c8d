"""What is sent to OpenAI and to Anthropic is what the types of their own Python SDKs describe, and nothing besides."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import EmbeddingCreateParams
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from thane.config.providers import ModelProvider
from thane.models import openai_embeddings, openai_format
from thane.models.anthropic_abilities import Abilities
from thane.models.anthropic_request import encode_request
from thane.models.embeddings import EmbedRequest
from thane.models.provider import ModelRequest
from thane.turn import Message, Options, ToolCall, ToolSpec

ANTHROPIC = TypeAdapter[Any](MessageCreateParamsStreaming)
OPENAI = TypeAdapter[Any](CompletionCreateParamsStreaming)
EMBEDDINGS = TypeAdapter[Any](EmbeddingCreateParams)
IMAGES = ("iVBORw0KGgo=", "/9j/AA==", "R0lGODlh", "UklGRgAAAABXRUJQ")
LEFT_OUT_OF_ANTHROPICS = {"temperature", "top_p"}
"""Anthropic's SDK has dropped them; models that take none are learned from their refusal."""

texts = st.text(max_size=8)
names = st.sampled_from(["GetDateTime", "light_turn_on", "a"])
arguments = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-9, 9) | texts, max_size=2)
calls = st.builds(ToolCall, st.sampled_from(["c1", "c2"]), names, arguments)
users = st.builds(Message, st.just("user"), texts, images=st.lists(st.sampled_from(IMAGES), max_size=2).map(tuple))
systems = st.builds(Message, st.just("system"), texts)
answers = st.builds(Message, st.just("assistant"), texts, tool_calls=st.lists(calls, max_size=2).map(tuple))
results = st.builds(Message, st.just("tool"), texts, tool_call_id=st.sampled_from(["c1", "c2"]), tool_name=names)
tools = st.builds(ToolSpec, names, texts, st.sampled_from([{"type": "object", "properties": {}}]))
options = st.builds(
    Options,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    seed=st.none() | st.integers(0, 99),
    max_tokens=st.none() | st.integers(-1, 9999),
    stop=st.lists(st.text(min_size=1, max_size=3), max_size=2).map(tuple),
    format=st.sampled_from([None, "json", {"type": "object", "properties": {}}]),
    think=st.sampled_from([None, True, False, "low", "medium", "high", "max"]),
    extra=st.sampled_from([{}, {"top_k": 3, "num_ctx": 5, "presence_penalty": 0.5, "user": "ann"}]),
    logprobs=st.booleans(),
    top_logprobs=st.integers(0, 5),
)
requests = st.builds(
    ModelRequest,
    st.just("some-model"),
    st.lists(users | systems | answers | results, min_size=1, max_size=6).map(tuple),
    tools=st.lists(tools, max_size=2).map(tuple),
    options=options,
    tool_choice=st.sampled_from(["auto", "none", "required", "a"]),
)
abilities = st.builds(
    Abilities,
    most_tokens=st.sampled_from([0, 4000]),
    adaptive=st.booleans(),
    disabled=st.booleans(),
    efforts=st.sampled_from([(), ("low", "medium", "high", "max")]),
    samples=st.booleans(),
)
thoughts = st.sampled_from(
    [
        {},
        {"c1": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]},
    ]
)


def known(kind: TypeAdapter[Any], body: Any) -> Any:
    """What the type knows of a body: unknown fields are left out. Raises ValidationError where it does not fit."""
    return plain(kind.validate_python(body))


def plain(value: Any) -> Any:
    """With what is only looked at when it is read."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType] any
    if value is None or isinstance(value, str | int | float):
        return value
    return [plain(each) for each in value]


@settings(max_examples=300, deadline=None)
@given(requests, abilities, thoughts, st.booleans())
def test_what_anthropic_is_sent(request: ModelRequest, of_model: Abilities, thought: Any, cache: bool) -> None:
    provider = ModelProvider(name="anthropic", type="anthropic", cache_prompts=cache)
    body = msgspec.json.decode(encode_request(request, provider, thought, of_model))
    assert {name: value for name, value in body.items() if name not in LEFT_OUT_OF_ANTHROPICS} == known(ANTHROPIC, body)
    assert body.keys().isdisjoint(LEFT_OUT_OF_ANTHROPICS) or of_model.samples
    marked = msgspec.json.encode(body).count(b'"cache_control"')
    assert marked <= (4 if cache else 0), "the API takes four marks"
    roles = [message["role"] for message in body["messages"]]
    assert all(one != other for one, other in pairwise(roles))
    assert roles[:1] in ([], ["user"])


@settings(max_examples=300, deadline=None)
@given(requests, st.booleans())
def test_what_openai_is_sent(request: ModelRequest, newer: bool) -> None:
    body = msgspec.json.decode(openai_format.encode_request(request, local=False, completion_tokens=newer))
    assert body == known(OPENAI, body)


@given(st.lists(texts, min_size=1, max_size=3), st.none() | st.integers(1, 9))
def test_what_openai_is_sent_for_embeddings(wanted: list[str], dimensions: int | None) -> None:
    request = EmbedRequest("some-model", tuple(wanted), dimensions=dimensions, truncate=True, options={"num_ctx": 3})
    body = msgspec.json.decode(openai_embeddings.encode(request))
    assert body == known(EMBEDDINGS, body)


def test_a_body_that_does_not_fit_is_seen() -> None:
    request = ModelRequest("some-model", (Message("user", "hi"),))
    body = msgspec.json.decode(openai_format.encode_request(request, local=False))
    body["messages"][0]["num_ctx"] = 3
    assert body != known(OPENAI, body)
    body["messages"][0]["role"] = "nobody"
    with pytest.raises(ValidationError):
        known(OPENAI, body)
