"""Reading requests for Anthropic's messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, Options, ToolCall, ToolSpec, Turn
from thane.wire import anthropic_messages
from thane.wire.anthropic_messages import estimate
from thane.wire.chat import ChatRequest
from thane.wire.errors import FieldError

PIXEL = "iVBORw0KGgo="
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "d", "input_schema": SCHEMA}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def read(**body: Any) -> ChatRequest:
    return anthropic_messages.decode({"model": "thane", "max_tokens": 100, "messages": HI} | body, {}, Limits())


def messages(*said: Any, **body: Any) -> tuple[Message, ...]:
    return read(messages=[{"role": role, "content": content} for role, content in said], **body).turn.messages


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words, "cache_control": {"type": "ephemeral"}}


def test_a_plain_request() -> None:
    got = read()
    assert ((Message("user", "hi"),), "thane", False) == (got.turn.messages, got.turn.model, got.stream)
    assert read(stream=True).stream


@pytest.mark.parametrize("system", ["be\nbrief", [text("be"), text("brief")]])
def test_the_system_prompt_is_a_text_or_blocks(system: object) -> None:
    assert (Message("system", "be\nbrief"), Message("user", "hi")) == read(system=system).turn.messages


def test_blocks_become_messages() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Åre"}}
    other = call | {"id": "toolu_2", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("sun"), IMAGE]}
    failed = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}
    assert (
        Message("user", "what\nis this", images=(PIXEL,)),
        Message(
            "assistant",
            "Let me see.",
            "hm",
            (ToolCall("toolu_1", "weather", {"city": "Åre"}), ToolCall("toolu_2", "weather", {})),
        ),
        Message("tool", "sun", tool_call_id="toolu_2", tool_name="weather", images=(PIXEL,)),
        Message("tool", "error", tool_call_id="toolu_1", tool_name="weather"),
        Message("user", "so?"),
    ) == messages(
        ("user", [text("what"), IMAGE, text("is this")]),
        (
            "assistant",
            [
                {"type": "thinking", "thinking": "hm", "signature": "?"},
                {"type": "redacted_thinking", "data": "?"},
                text("Let me see."),
                {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
                call,
                other,
            ],
        ),
        ("user", [result, failed, text("so?")]),
    )


def test_results_alone_are_no_words_of_the_user() -> None:
    result = {"type": "tool_result", "tool_use_id": "x", "content": "sun"}
    assert (Message("tool", "sun", tool_call_id="x"),) == messages(("user", [result]))


def test_the_clients_tools_are_offered_and_anthropics_are_left_out() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}, WEATHER | {"type": "custom"}, {"name": "bare"}]
    bare = ToolSpec("bare", "", {"type": "object", "properties": {}})
    assert (ToolSpec("weather", "d", SCHEMA), bare) == read(tools=tools).turn.tools


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, "auto"),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, "weather"),
    ],
)
def test_the_tool_choice_is_read(choice: object, told: str) -> None:
    assert told == read(tools=[WEATHER], tool_choice=choice).turn.tool_choice


def test_sampling_and_format_are_read() -> None:
    got = read(
        temperature=1,
        top_p=0.5,
        top_k=3,
        stop_sequences=["END", ""],
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    ).turn.options
    assert Options(1, 0.5, max_tokens=100, stop=("END",), format=SCHEMA, extra={"top_k": 3}) == got
    assert Options() == read(max_tokens=None).turn.options


@pytest.mark.parametrize(
    ("thinking", "effort", "told"),
    [
        (None, None, None),
        (None, "high", None),
        ({"type": "disabled"}, "high", False),
        ({"type": "enabled", "budget_tokens": 2000}, None, True),
        ({"type": "adaptive"}, "xhigh", "max"),
        ({"type": "adaptive"}, "low", "low"),
    ],
)
def test_thinking_is_asked_for(thinking: object, effort: str | None, told: object) -> None:
    assert told == read(thinking=thinking, output_config={"effort": effort}).turn.options.think


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": None}, "messages: at least one message is required"),
        ({"messages": 7}, "messages: Input should be a valid array"),
        ({"messages": [7]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"role": "robot", "content": []}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content: Input should be a valid array"),
        (
            {"messages": [*HI, {"role": "assistant", "content": "The answer is"}]},
            "messages: the conversation must end with a user message; no answer is begun for the model",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
            "messages.0.content.0.type: blocks of type 'document' are not supported",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
            "messages.0.content.0.source: an image must be given as base64; images are not fetched",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "pdf"}]}]}]},
            "messages.0.content.0.content.0.type: blocks of type 'pdf' are not supported",
        ),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name: Field required"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"system": [None]}, "system.0: Input should be a valid dictionary"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name: Tool 'x' not found in provided tools"),
        ({"tool_choice": {"type": "x"}}, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
        ({"thinking": {"type": "x"}}, "thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'"),
        ({"max_tokens": "x"}, "max_tokens: Input should be a valid number"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format: only 'json_schema' with a 'schema'"),
        ({"output_config": {"effort": "much"}}, "output_config.effort: Input should be one of 'low'"),
    ],
)
def test_wrong_requests_are_refused_in_anthropics_words(body: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(**body)
    assert 400 == caught.value.status
    assert caught.value.message.startswith(message)


def test_images_are_checked() -> None:
    bad = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "no base64!"}}
    for content in ([bad], [{"type": "tool_result", "tool_use_id": "x", "content": [bad]}]):
        with pytest.raises(FieldError, match="is not base64"):
            messages(("user", content))


@given(documents("system", "type", "source", "tools", "tool_choice", "thinking", "output_config", "stop_sequences"))
def test_anything_is_read_or_refused(document: Any) -> None:
    try:
        assert anthropic_messages.decode(document, {}, Limits()).turn.messages
    except ClientError as error:
        assert 400 == error.status  # noqa: PT017 either outcome is right


def test_the_estimate_counts_texts_calls_and_tools() -> None:
    assert 1 == estimate(read().turn)
    assert 25 == estimate(Turn((Message("user", "x" * 100),)))
    call = Message("assistant", tool_calls=(ToolCall("x", "weather", {"city": "Oslo"}),))
    assert estimate(Turn((call,))) > 5
    assert estimate(read(tools=[WEATHER]).turn) > 20


def test_one_call_at_a_time_may_be_asked_for() -> None:
    assert read(tool_choice={"type": "auto"}).turn.parallel_tool_calls
    assert not read(tool_choice={"type": "auto", "disable_parallel_tool_use": True}).turn.parallel_tool_calls
