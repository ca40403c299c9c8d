"""Reading Ollama's chat requests as Ollama reads them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, Options, ToolCall, ToolSpec
from thane.wire import ollama_chat
from thane.wire.chat import ChatRequest
from thane.wire.ollama_chat import load_reason

HI = [{"role": "user", "content": "hi"}]
PIXEL = "iVBORw0KGgo="


def read(limits: Limits | None = None, **body: Any) -> ChatRequest:
    return ollama_chat.decode({"model": "thane", "messages": HI} | body, {}, limits or Limits())


def options(**body: Any) -> Options:
    return read(**body).turn.options


def refused(**body: Any) -> str:
    with pytest.raises(ClientError) as caught:
        read(**body)
    assert 400 == caught.value.status
    return caught.value.message


def test_a_plain_request_streams_unless_told_otherwise() -> None:
    request = read()
    assert ("thane", (Message("user", "hi"),), True) == (request.turn.model, request.turn.messages, request.stream)
    assert read(stream=None).stream
    assert not read(stream=False).stream


def test_keys_are_folded_and_null_is_absent() -> None:
    document = {"Model": "thane", "MESSAGES": [{"Role": "USER", "Content": "hi", "images": None, "tool_calls": None}]}
    document |= {"tools": None, "options": None, "format": None, "keep_alive": None, "think": None, "unknown": 1}
    request = ollama_chat.decode(document, {}, Limits())
    assert (Message("user", "hi"),) == request.turn.messages
    assert Options() == request.turn.options


def test_home_assistants_turn_is_read() -> None:
    parameters: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}, "area": {}}}
    tool = {
        "type": "function",
        "function": {"name": "intent__HassTurnOff", "description": "d", "parameters": parameters},
    }
    turn = read(
        options={"num_ctx": 8192.0},
        keep_alive=-1.0,
        think=False,
        tools=[tool],
        messages=[{"role": "system", "content": ""}],
    ).turn
    assert Options(think=False, keep_alive_seconds=-1.0, extra={"num_ctx": 8192}) == turn.options
    assert isinstance(turn.options.extra["num_ctx"], int)
    assert (ToolSpec("intent__HassTurnOff", "d", parameters),) == turn.tools
    assert "ha" == turn.caller.channel


def test_tool_results_without_an_id_answer_the_calls_in_order() -> None:
    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        return {"function": {"name": tool, "arguments": arguments}}

    messages = [
        {"role": "user", "content": "lights"},
        {"role": "assistant", "tool_calls": [call("HassTurnOff", name="A"), call("HassTurnOff", name="B")]},
        {"role": "tool", "content": "one"},
        {"role": "tool", "content": "two"},
        {"role": "assistant"},
    ]
    said = read(messages=messages).turn.messages
    first, second = said[1].tool_calls
    assert ToolCall("call_1_0", "HassTurnOff", {"name": "A"}) == first
    assert Message("tool", "one", tool_call_id=first.id, tool_name="HassTurnOff") == said[2]
    assert Message("tool", "two", tool_call_id=second.id, tool_name="HassTurnOff") == said[3]
    assert Message("assistant") == said[4]
    assert said == read(messages=messages).turn.messages


def test_tool_results_with_an_id_or_a_name_find_their_call() -> None:
    messages: list[dict[str, Any]] = [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "x", "function": {"name": "a", "arguments": {}}},
                {"id": "y", "function": {"index": 1, "name": "b", "arguments": None}},
                {"id": "z", "function": {"name": "c"}},
            ],
        },
        {"role": "tool", "content": "for c", "tool_name": "c"},
        {"role": "tool", "content": "for b", "tool_call_id": "y"},
        {"role": "tool", "content": "for a"},
    ]
    results = read(messages=messages).turn.messages[1:]
    assert [("z", "c"), ("y", "b"), ("x", "a")] == [(each.tool_call_id, each.tool_name) for each in results]


def test_a_tool_result_whose_call_was_trimmed_away_is_kept() -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "tool", "content": "orphan"}, *HI]
    orphan = read(messages=messages).turn.messages[1]
    assert Message("tool", "orphan", tool_call_id="call_1") == orphan


def test_a_later_answer_closes_what_was_open() -> None:
    call = {"function": {"name": "a", "arguments": {}}}
    for answer in ({"role": "assistant", "content": "done"}, {"role": "assistant", "content": "done", "thinking": "t"}):
        messages = [{"role": "assistant", "tool_calls": [call]}, answer, {"role": "tool", "content": "late"}]
        assert "" == read(messages=messages).turn.messages[2].tool_name


def test_thinking_and_images_of_the_history_are_kept() -> None:
    said = {
        "role": "user",
        "content": "what is this",
        "images": [PIXEL, f"data:image/png;base64,{PIXEL}", PIXEL + "\n"],
    }
    thought = {"role": "assistant", "content": "a pixel", "thinking": "hm"}
    first, second = read(messages=[said, thought]).turn.messages
    assert (PIXEL, PIXEL, PIXEL) == first.images
    assert Message("assistant", "a pixel", thinking="hm") == second


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0.0),
        (-1, -1.0),
        (0.5, 0.5),
        ("300s", 300.0),
        ("-1s", -1.0),
        ("-1.0s", -1.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("300ms", 0.3),
        ("+1.5h", 5400.0),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_keep_alive_comes_in_many_shapes(value: object, seconds: float | None) -> None:
    assert seconds == pytest.approx(options(keep_alive=value).keep_alive_seconds)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "Unsupported type: 'bool'"),
        ([5], "Unsupported type: '[]interface {}'"),
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("5m x", 'time: invalid duration "5m x"'),
    ],
)
def test_a_bad_keep_alive_is_refused_as_go_does(value: object, message: str) -> None:
    assert message == refused(keep_alive=value)


def test_options_are_typed_and_unknown_ones_passed_on() -> None:
    given = {"temperature": 1, "top_p": 0.5, "seed": 7.0, "num_predict": 100, "stop": ["a", "b"], "top_k": 3.0}
    got = options(options=given | {"use_mmap": True, "mirostat": 2, "num_gpu": None})
    assert Options(1.0, 0.5, 7, 100, ("a", "b"), extra={"top_k": 3, "use_mmap": True, "mirostat": 2}) == got
    assert None is options(options={"num_predict": -1}).max_tokens
    assert ("end",) == options(options={"stop": "end"}).stop


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"num_ctx": True}, 'option "num_ctx" must be of type integer'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ({"stop": [1]}, 'option "stop" must be of type array of strings'),
    ],
)
def test_an_option_of_the_wrong_type_is_named(given: dict[str, Any], message: str) -> None:
    assert message == refused(options=given)


def test_format_is_json_a_schema_or_nothing() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert ["json", schema, None, None] == [options(format=each).format for each in ("json", schema, "", None)]
    assert refused(_debug_render_only=True).startswith('"_debug_render_only" is not supported')
    assert refused(format="xml").startswith("invalid format:")


def test_think_is_a_bool_or_a_level() -> None:
    given = [True, False, "low", "HIGH", "max", None]
    assert [True, False, "low", "high", "max", None] == [options(think=each).think for each in given]
    assert 'invalid think value: "very" (must be "high", "medium", "low", "max", true, or false)' == refused(
        think="very"
    )


def test_odd_tool_schemas_are_left_as_they_are() -> None:
    parameters = {"properties": {"a": {"type": ["string", "null"]}, "b": {"anyOf": [{}]}}, "$defs": {"x": {}}}
    tools = [
        {"type": "function", "function": {"name": "odd", "parameters": parameters}},
        {"function": {"name": "bare", "parameters": None}},
        {"function": {"name": "listed", "parameters": {"type": ["object"], "required": None}}},
    ]
    odd, bare, listed = read(tools=tools).turn.tools
    assert {"type": "object"} | parameters == odd.parameters
    assert {"type": "object", "properties": {}} == bare.parameters
    assert {"type": ["object"], "properties": {}} == listed.parameters


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"messages": "hi"},
            "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message",
        ),
        (
            {"messages": [1]},
            "json: cannot unmarshal number into Go struct field ChatRequest.messages of type api.Message",
        ),
        (
            {"messages": [{"role": "user", "content": 1}]},
            "json: cannot unmarshal number into Go struct field ChatRequest.messages.content of type string",
        ),
        ({"stream": "yes"}, "json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool"),
        ({"model": 3}, "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]}]},
            (
                "json: cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments "
                "of type api.ToolCallFunctionArguments"
            ),
        ),
        (
            {"top_logprobs": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field ChatRequest.top_logprobs of type int",
        ),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"model": " "}, "model is required"),
        ({"model": None}, "model is required"),
        (
            {"messages": [{"role": "robot", "content": "x"}]},
            'invalid role: "robot", role must be one of [system, user, assistant, tool]',
        ),
        ({"tools": [{"type": "function"}]}, "tools[0] has no function name"),
    ],
)
def test_wrong_types_are_refused_in_gos_words(body: dict[str, Any], message: str) -> None:
    assert message == refused(**body)


def test_images_that_are_not_base64_or_too_many_are_refused() -> None:
    assert "messages[0].images[0] is not base64" in refused(messages=[{"role": "user", "images": ["?!"]}])
    many = [{"role": "user", "content": "", "images": [PIXEL] * 17}]
    assert "at most 16 are accepted (limits.images_per_message)" in refused(messages=many)


def test_more_messages_or_tools_than_allowed_are_refused() -> None:
    limits = Limits(messages_per_turn=2, tools_per_turn=1)
    assert "limits.messages_per_turn" in refused(messages=HI * 3, limits=limits)
    assert "limits.tools_per_turn" in refused(tools=[{}, {}], limits=limits)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(ClientError, match="must be a JSON object"):
        ollama_chat.decode([1], {}, Limits())


def test_no_messages_ask_for_a_load_or_an_unload() -> None:
    assert "load" == load_reason(read(messages=[]).turn)
    assert "load" == load_reason(ollama_chat.decode({"model": "m", "keep_alive": "5m"}, {}, Limits()).turn)
    assert "unload" == load_reason(read(messages=None, keep_alive=0).turn)
    assert None is load_reason(read(keep_alive=0).turn)


@given(
    documents(
        "stream",
        "format",
        "options",
        "think",
        "keep_alive",
        "tools",
        "function",
        "arguments",
        "name",
        "parameters",
        "stop",
        "num_ctx",
    )
)
def test_any_json_is_read_or_refused(document: Any) -> None:
    with suppress(ClientError):
        ollama_chat.decode(document, {}, Limits())


def test_what_to_do_with_too_long_a_prompt_is_passed_on() -> None:
    assert {"truncate": False, "top_k": 5} == read(
        truncate=False, shift=None, options={"top_k": 5.0}
    ).turn.options.extra
    assert "ChatRequest.shift of type bool" in refused(shift=1)


def test_a_schema_that_is_too_large_is_refused_with_the_name_of_the_limit() -> None:
    schema = {"enum": ["x" * 100]}
    assert schema == options(format=schema).format
    with pytest.raises(ClientError, match=r"at most 50 are accepted \(limits.schema_bytes\)"):
        read(Limits(schema_bytes=50), format=schema)
