"""Reading requests for OpenAI's responses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, Options, ToolCall, ToolSpec
from thane.wire import openai_responses
from thane.wire.errors import FieldError
from thane.wire.openai_responses import ResponsesRequest

PIXEL = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "x", "name": "weather", "arguments": '{"city":"Åre"}'}


def read(**body: Any) -> ResponsesRequest:
    return openai_responses.decode({"model": "thane", "input": "hi"} | body, {}, Limits())


def messages(*items: dict[str, Any], **body: Any) -> tuple[Message, ...]:
    return read(input=list(items), **body).turn.messages


def test_a_text_is_what_a_user_says() -> None:
    got = read()
    assert ((Message("user", "hi"),), False, "", False) == (
        got.turn.messages,
        got.stream,
        got.previous,
        got.turn.continues,
    )
    assert read(stream=True).stream


def test_instructions_come_first() -> None:
    assert (Message("system", "be brief"), Message("user", "hi")) == read(instructions="be brief").turn.messages


def test_items_become_messages() -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    parts = [{"type": "input_text", "text": "what"}, {"type": "input_text", "text": "is this"}, image]
    said = [{"type": "output_text", "text": "A dot", "annotations": []}, {"type": "refusal", "refusal": "."}]
    assert (
        Message("system", "be brief"),
        Message("user", "what\nis this", images=(PIXEL,)),
        Message("assistant", "A dot\n."),
        Message("user", "so"),
    ) == messages(
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": parts},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": said},
        {"role": "user", "content": "so"},
    )


def test_calls_belong_to_the_answer_before_them_and_find_their_results() -> None:
    second = CALL | {"call_id": "y", "arguments": "{}"}
    output = [{"type": "input_text", "text": "sun"}]
    assert (
        Message("user", "weather?"),
        Message(
            "assistant",
            "Let me see.",
            tool_calls=(ToolCall("x", "weather", {"city": "Åre"}), ToolCall("y", "weather", {})),
        ),
        Message("tool", "rain", tool_call_id="y", tool_name="weather"),
        Message("tool", "sun", tool_call_id="x", tool_name="weather"),
        Message("assistant", tool_calls=(ToolCall("z", "weather", {}),)),
    ) == messages(
        {"role": "user", "content": "weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "?"},
        {"role": "assistant", "content": "Let me see."},
        {"type": "reasoning", "summary": []},
        CALL,
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        second,
        {"type": "function_call_output", "call_id": "y", "output": "rain"},
        {"type": "function_call_output", "call_id": "x", "output": output},
        CALL | {"call_id": "z", "arguments": ""},
    )


def test_functions_are_offered_and_hosted_tools_are_left_out() -> None:
    tools = [{"type": "web_search"}, WEATHER, {"type": "custom", "name": "shell"}, {"type": "namespace", "tools": []}]
    assert (ToolSpec("weather", "d", SCHEMA),) == read(tools=tools).turn.tools


def test_functions_of_a_namespace_go_by_both_names() -> None:
    crm = {"type": "namespace", "name": "crm", "description": "Customers", "tools": [WEATHER, {"type": "custom"}]}
    said = {"type": "function_call", "call_id": "c", "name": "weather", "namespace": "crm", "arguments": "{}"}
    asked = read(tools=[crm, WEATHER], input=[{"role": "user", "content": "hi"}, said])
    assert ["crm__weather", "weather"] == [tool.name for tool in asked.turn.tools]
    assert {"crm__weather": ("crm", "weather")} == asked.namespaces
    assert "crm__weather" == asked.turn.messages[-1].tool_calls[0].name


@pytest.mark.parametrize(
    "wanted", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"], "top_logprobs": 2}]
)
def test_log_probabilities_are_asked_for(wanted: dict[str, Any]) -> None:
    options = read(**wanted).turn.options
    assert (True, 2) == (options.logprobs, options.top_logprobs)
    assert not read(include=[]).turn.options.logprobs


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "weather"}, "weather"),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, "required"),
    ],
)
def test_the_tool_choice_is_a_word_or_a_function(choice: object, told: str) -> None:
    got = read(tools=[WEATHER], tool_choice=choice)
    assert told == got.turn.tool_choice
    assert got.repeats["tool_choice"] == (told if told != "weather" else {"type": "function", "name": "weather"})


def test_sampling_format_and_effort_are_read() -> None:
    form = {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}
    got = read(
        temperature=0.5,
        top_p=1,
        max_output_tokens=7.0,
        text={"format": form, "verbosity": "low"},
        reasoning={"effort": "xhigh"},
    )
    assert Options(0.5, 1, max_tokens=7, format=SCHEMA, think="max") == got.turn.options
    assert (form, "xhigh") == (got.repeats["text"]["format"], got.repeats["reasoning"]["effort"])
    assert "json" == read(text={"format": {"type": "json_object"}}).turn.options.format
    assert None is read(text={"format": {"type": "text"}}, max_output_tokens=0).turn.options.format


def test_a_conversation_is_continued_by_its_id() -> None:
    for conversation in ("c_0123456789abcdef", {"id": "c_0123456789abcdef"}):
        turn = read(conversation=conversation).turn
        assert ("c_0123456789abcdef", True) == (turn.caller.conversation_id, turn.continues)
    assert not read(metadata={"chat_id": "x"}).turn.continues


def test_what_it_follows_is_told_apart() -> None:
    got = read(previous_response_id="resp_r_1")
    assert ("resp_r_1", "resp_r_1", False) == (got.previous, got.repeats["previous_response_id"], got.turn.continues)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [{"role": "robot", "content": ""}]}, "input[0].role"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/x"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"name": "weather"}]}, "tools[0].type"),
        ({"tools": [{"type": "namespace", "tools": [{"name": "weather"}]}]}, "tools[0].tools[0].type"),
        ({"tools": [None]}, "tools[0]"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"reasoning": {"effort": "much"}}, "reasoning_effort"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"text": {"format": {"type": "json_schema", "schema": {"type": "nope"}}}}, "text.format.schema"),
        ({"previous_response_id": "resp_x", "conversation": "c"}, "previous_response_id"),
        ({"metadata": {"a": 1}}, "metadata.a"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(**body)
    assert (400, param) == (caught.value.status, caught.value.param)


@given(documents("input", "tools", "text", "conversation", "previous_response_id", "reasoning", "metadata"))
def test_anything_is_read_or_refused(document: Any) -> None:
    try:
        assert openai_responses.decode(document, {}, Limits()).turn.messages
    except ClientError as error:
        assert 400 == error.status  # noqa: PT017 either outcome is right
