"""Reading OpenAI's chat completion requests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, Options, ToolCall, ToolSpec
from thane.wire import openai_chat
from thane.wire.chat import ChatRequest
from thane.wire.errors import FieldError

HI = [{"role": "user", "content": "hi"}]
PIXEL = "iVBORw0KGgo="
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def read(**body: Any) -> ChatRequest:
    return openai_chat.decode({"model": "thane", "messages": HI} | body, {}, Limits())


def options(**body: Any) -> Options:
    return read(**body).turn.options


def refused(**body: Any) -> tuple[str, str, str]:
    """Message, param and code."""
    with pytest.raises(FieldError) as caught:
        read(**body)
    assert 400 == caught.value.status
    return caught.value.message, caught.value.param, caught.value.code


def test_a_plain_request_is_answered_whole_unless_told_otherwise() -> None:
    request = read()
    assert ((Message("user", "hi"),), False, False) == (request.turn.messages, request.stream, request.wants_usage)
    assert read(stream=True, stream_options={"include_usage": True}).wants_usage
    assert not read(stream=True, stream_options=None).wants_usage


def test_the_model_may_be_left_out() -> None:
    assert "" == openai_chat.decode({"messages": HI}, {}, Limits()).turn.model


def test_content_parts_become_text_and_images() -> None:
    parts = [
        {"type": "text", "text": "what"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        {"type": "text", "text": "is this"},
        {"type": "image_url", "image_url": f"data:;base64,{PIXEL}"},
    ]
    (message,) = read(messages=[{"role": "user", "content": parts}]).turn.messages
    assert Message("user", "what\nis this", images=(PIXEL, PIXEL)) == message


@pytest.mark.parametrize(
    "url", ["https://example.org/x.png", "http://127.0.0.1/", "file:///etc/passwd", "data:x,abc", ""]
)
def test_images_are_never_fetched(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    message, param, _ = refused(messages=[{"role": "user", "content": [part]}])
    assert "not fetched from the web" in message
    assert "messages[0].content[0].image_url" == param


def test_roles_of_every_age_are_known() -> None:
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "assistant", "content": None, "function_call": {"name": "old", "arguments": '{"a":1}'}},
        {"role": "function", "name": "old", "content": "ok"},
        {"role": "Assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]
    system, call, result, refusal = read(messages=messages).turn.messages
    assert Message("system", "be brief") == system
    assert (ToolCall("call_1_0", "old", {"a": 1}),) == call.tool_calls
    assert Message("tool", "ok", tool_call_id="call_1_0", tool_name="old") == result
    assert Message("assistant", "no") == refusal


def test_tool_calls_and_results_are_joined_by_id() -> None:
    calls = [
        {"id": "x", "type": "function", "function": {"name": "a", "arguments": '{"p":[1]}'}},
        {"id": "y", "type": "function", "function": {"name": "b", "arguments": ""}},
    ]
    messages = [
        {"role": "assistant", "tool_calls": calls, "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "y", "content": "for b"},
        {"role": "tool", "tool_call_id": "x", "content": [{"type": "text", "text": "for a"}]},
    ]
    first, second, third = read(messages=messages).turn.messages
    assert (ToolCall("x", "a", {"p": [1]}), ToolCall("y", "b", {})) == first.tool_calls
    assert "hm" == first.thinking
    assert Message("tool", "for b", tool_call_id="y", tool_name="b") == second
    assert Message("tool", "for a", tool_call_id="x", tool_name="a") == third


@pytest.mark.parametrize("broken", ['{"a":', "[1]", "nonsense", '"text"'])
def test_broken_arguments_in_the_history_do_not_end_the_chat(broken: str) -> None:
    call = {"id": "x", "type": "function", "function": {"name": "a", "arguments": broken}}
    (message,) = read(messages=[{"role": "assistant", "tool_calls": [call]}]).turn.messages
    assert {"arguments": broken} == message.tool_calls[0].arguments


def test_the_newer_name_of_the_token_limit_comes_first() -> None:
    assert 7 == options(max_completion_tokens=7, max_tokens=9).max_tokens
    assert 9 == options(max_tokens=9.0).max_tokens
    assert None is options(max_tokens=-1).max_tokens


def test_sampling_is_read() -> None:
    got = options(temperature=0, top_p=0.5, seed=3, presence_penalty=1, logit_bias={"1": 2}, user="u", store=True)
    assert Options(temperature=0, top_p=0.5, seed=3, extra={"presence_penalty": 1, "logit_bias": {"1": 2}}) == got
    assert Options() == options(logit_bias={})


def test_stop_is_a_string_or_a_list() -> None:
    assert [("a",), ("a", "b"), (), ()] == [options(stop=each).stop for each in ("a", ["a", "b", ""], None, "")]


def test_the_response_format_is_read() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert schema == options(response_format=wanted).format
    assert "json" == options(response_format={"type": "json_object"}).format
    assert None is options(response_format={"type": "text"}).format


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("high", "high"),
        ("xhigh", "max"),
        ("ultra", "max"),
        (None, None),
    ],
)
def test_the_reasoning_effort_has_two_places(effort: str | None, think: object) -> None:
    assert think == options(reasoning_effort=effort).think
    assert think == options(reasoning={"effort": effort}).think


def test_tools_and_their_choice_are_read() -> None:
    assert (ToolSpec("weather"),) == read(tools=[WEATHER]).turn.tools
    named = {"type": "function", "function": {"name": "weather"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}
    given = [None, "auto", "none", "required", named, allowed]
    choices = [read(tools=[WEATHER], tool_choice=each).turn.tool_choice for each in given]
    assert ["auto", "auto", "none", "required", "weather", "required"] == choices


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({"messages": []}, "[] is too short - 'messages'", "messages", "invalid_request"),
        ({"messages": None}, "[] is too short - 'messages'", "messages", "invalid_request"),
        (
            {"messages": "hi"},
            "Invalid type for 'messages': expected an array, but got a string instead.",
            "messages",
            "invalid_type",
        ),
        (
            {"messages": [{"role": "user", "content": 1.5}]},
            (
                "Invalid type for 'messages[0].content': expected a string or an array of content parts, "
                "but got a decimal number instead."
            ),
            "messages[0].content",
            "invalid_type",
        ),
        (
            {"messages": [*HI, True]},
            "Invalid type for 'messages[1]': expected an object, but got a boolean instead.",
            "messages[1]",
            "invalid_type",
        ),
        (
            {"max_tokens": 1.5},
            "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
            "max_tokens",
            "invalid_type",
        ),
        (
            {"max_tokens": True},
            "Invalid type for 'max_tokens': expected a number, but got a boolean instead.",
            "max_tokens",
            "invalid_type",
        ),
        (
            {"stop": ["a", 1]},
            "Invalid type for 'stop[1]': expected a string, but got an integer instead.",
            "stop[1]",
            "invalid_type",
        ),
        (
            {"tool_choice": "any"},
            "Invalid value: 'any'. Supported values are: 'none', 'auto' and 'required'.",
            "tool_choice",
            "invalid_value",
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "x"}}},
            "Tool choice 'x' is not among the functions in 'tools'.",
            "tool_choice",
            "invalid_request",
        ),
        (
            {"tools": [{"type": "custom", "custom": {}}]},
            "tools[0] is of type 'custom'; only functions are understood",
            "tools[0].type",
            "invalid_request",
        ),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "Missing required parameter: 'tools[0].function.name'.",
            "tools[0].function.name",
            "invalid_request",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "Missing required parameter: 'response_format.json_schema.schema'.",
            "response_format.json_schema.schema",
            "invalid_request",
        ),
    ],
)
def test_wrong_requests_are_refused_in_openais_words(body: dict[str, Any], message: str, param: str, code: str) -> None:
    assert (message, param, code) == refused(**body)


def test_more_than_one_answer_is_refused() -> None:
    assert "n" == refused(n=2)[1]
    assert "n" == refused(n=0)[1]
    assert read(n=1.0)
    assert read(n=None)


def test_log_probabilities_are_asked_for_with_as_many_others_as_may_be() -> None:
    options = read(logprobs=True, top_logprobs=3).turn.options
    assert (True, 3) == (options.logprobs, options.top_logprobs)
    assert not read(logprobs=False, top_logprobs=3).turn.options.logprobs
    assert "top_logprobs" == refused(logprobs=True, top_logprobs=21)[1]


def test_allowed_tools_are_all_that_is_offered() -> None:
    def function(name: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name}}

    def choice(*names: str) -> dict[str, Any]:
        return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": list(map(function, names))}}

    turn = read(tools=[function("a"), function("b")], tool_choice=choice("b")).turn
    assert ("required", ["b"]) == (turn.tool_choice, [tool.name for tool in turn.tools])
    assert "'c' is not among" in refused(tools=[function("a")], tool_choice=choice("a", "c"))[0]


def test_a_schema_that_is_none_is_refused_by_its_place() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nope"}}}
    message, param, _ = refused(response_format=wanted)
    assert "response_format.json_schema.schema" == param
    assert message.startswith("Invalid schema for response_format 'json_schema': ")


def test_unknown_values_are_refused() -> None:
    assert "messages[0].role" == refused(messages=[{"role": "robot", "content": ""}])[1]
    assert "reasoning_effort" == refused(reasoning_effort="much")[1]
    assert "response_format.type" == refused(response_format={"type": "xml"})[1]
    parts = [{"type": "input_audio", "input_audio": {}}]
    assert "text and image_url are understood" in refused(messages=[{"role": "user", "content": parts}])[0]


def test_the_request_names_its_conversation_and_user() -> None:
    caller = read(metadata={"chat_id": "c-1"}, user="ada").turn.caller
    assert ("c-1", "ada") == (caller.conversation_id, caller.user)


@given(
    documents(
        "tools",
        "response_format",
        "tool_choice",
        "type",
        "function",
        "arguments",
        "name",
        "image_url",
        "url",
        "stop",
        "n",
        "reasoning",
        "metadata",
    )
)
def test_any_json_is_read_or_refused(document: Any) -> None:
    with suppress(ClientError):
        openai_chat.decode(document, {}, Limits())


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
def test_a_message_of_nothing_is_refused(role: str) -> None:
    message, param, _ = refused(messages=[{"role": role, "content": None}])
    assert ("invalid message content type: null", "messages[0].content") == (message, param)


@pytest.mark.parametrize("more", [{"refusal": "no"}, {"reasoning": "hm"}, {"function_call": {"name": "x"}}])
def test_an_assistant_may_have_said_something_in_place_of_content(more: dict[str, Any]) -> None:
    assert read(messages=[{"role": "assistant", "content": None} | more])


def test_one_call_at_a_time_may_be_asked_for() -> None:
    assert read().turn.parallel_tool_calls
    assert not read(parallel_tool_calls=False).turn.parallel_tool_calls
