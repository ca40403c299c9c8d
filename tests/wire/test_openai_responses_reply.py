"""Writing OpenAI's responses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.wire.stories import CLIENT_CALL, OPENING, beginning, failed, finished, story
from thane.config.settings import Limits
from thane.turn import AgentEvent, Text, Thinking, ToolCall, Usage
from thane.wire import openai_responses
from thane.wire.openai_responses import ResponsesRequest
from thane.wire.openai_responses_reply import ResponseStream, ResponseWhole

RUN = "r_0123456789abcdef"
USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 17,
}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**body: Any) -> ResponsesRequest:
    return openai_responses.decode({"model": "thane", "input": "hi"} | body, {}, Limits())


def frames(data: bytes) -> list[Any]:
    """The events of a stream; the name above each is the one in it."""
    parts = data.decode().split("\n\n")
    assert "" == parts.pop()
    found: list[Any] = []
    for part in parts:
        name, data_line = part.split("\n")
        found.append(msgspec.json.decode(data_line.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def streamed(events: list[AgentEvent], **body: Any) -> list[Any]:
    encoder = ResponseStream(asked(**body), OPENING)
    return [frame for event in events for frame in frames(encoder.feed((event,)))]


def whole(events: list[AgentEvent], **body: Any) -> dict[str, Any]:
    return msgspec.json.decode(ResponseWhole(asked(**body), OPENING).feed(events))


def kinds(parts: list[Any]) -> list[str]:
    return [part["type"].removeprefix("response.") for part in parts]


def message(index: int, text: str, status: str = "completed") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": f"msg_{RUN}_{index}", "type": "message", "role": "assistant", "content": [part], "status": status}


TEXT_ITEM = ["output_item.added", "content_part.added"]
TEXT_DONE = ["output_text.done", "content_part.done", "output_item.done"]


def test_a_text_is_an_item_with_a_part_with_pieces() -> None:
    got = streamed(story("Hello ", "there."))
    assert [
        *("created", "in_progress", *TEXT_ITEM, "output_text.delta", "output_text.delta", *TEXT_DONE, "completed")
    ] == kinds(got)
    assert list(range(len(got))) == [part["sequence_number"] for part in got]
    assert {(0, 0, f"msg_{RUN}_0")} == {
        (part["output_index"], part["content_index"], part["item_id"]) for part in got[3:8]
    }
    assert ["Hello ", "there."] == [part["delta"] for part in got if "delta" in part]
    last = got[-1]["response"]
    assert ([message(0, "Hello there.")], "completed", USAGE) == (last["output"], last["status"], last["usage"])
    assert (None, [], "in_progress") == (
        got[0]["response"]["usage"],
        got[0]["response"]["output"],
        got[0]["response"]["status"],
    )
    assert {f"resp_{RUN}"} == {part["response"]["id"] for part in got if "response" in part}


def test_a_batch_gives_the_same_events_in_one_piece() -> None:
    events = [*beginning(), Thinking("hm"), *story("a", "b")]
    assert streamed(events) == frames(ResponseStream(asked(), OPENING).feed(tuple(events)))


def test_nothing_is_said_before_there_is_something_to_show() -> None:
    assert b"" == ResponseStream(asked(), OPENING).feed((*beginning(), Text(""), Thinking("")))
    assert "HassTurnOff" not in str([streamed(story("a")), whole(story("a"))])


def test_thinking_is_an_item_before_the_text() -> None:
    got = streamed([Thinking("h"), Thinking("m"), *story("a")])
    thought = ["output_item.added", "reasoning_summary_part.added", *["reasoning_summary_text.delta"] * 2]
    over = ["reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"]
    assert [
        *("created", "in_progress", *thought, *over, *TEXT_ITEM, "output_text.delta", *TEXT_DONE, "completed")
    ] == kinds(got)
    reasoning = {
        "id": f"rs_{RUN}_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "status": "completed",
    }
    assert [reasoning, message(1, "a")] == got[-1]["response"]["output"]
    assert [reasoning, message(1, "a")] == whole([Thinking("h"), Thinking("m"), *story("a")])["output"]


def test_text_after_more_thinking_is_an_item_of_its_own() -> None:
    output = streamed([Text("a"), Thinking("hm"), Text("b"), finished("ab")])[-1]["response"]["output"]
    assert ["message", "reasoning", "message"] == [item["type"] for item in output]


def test_calls_of_the_clients_tools_are_items() -> None:
    done = finished("", client_calls=(CLIENT_CALL, CLIENT_CALL), finish_reason="tool_calls")
    got = streamed([done])
    call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
    assert ["created", "in_progress", *call, *call, "completed"] == kinds(got)
    item = {
        "id": f"fc_{RUN}_0",
        "type": "function_call",
        "call_id": "call_0b",
        "name": "get_weather",
        "arguments": '{"city":"Åre","days":[1,2]}',
        "status": "completed",
    }
    assert ("", item["arguments"], item) == (got[2]["item"]["arguments"], got[3]["delta"], got[5]["item"])
    assert [item, item | {"id": f"fc_{RUN}_1"}] == got[-1]["response"]["output"] == whole([done])["output"]


def test_text_and_calls_come_in_this_order() -> None:
    done = finished("Let me see.", client_calls=(CLIENT_CALL,))
    for output in (streamed([Text("Let me see."), done])[-1]["response"]["output"], whole([done])["output"]):
        assert ["message", "function_call"] == [item["type"] for item in output]


def test_an_answer_that_was_not_streamed_is_said_at_the_end() -> None:
    assert ["Hello there."] == [part["delta"] for part in streamed([finished("Hello there.")]) if "delta" in part]


def test_an_empty_answer_is_an_empty_message() -> None:
    got = streamed([Thinking("hm"), finished("")])
    assert [*TEXT_ITEM, *TEXT_DONE, "completed"] == kinds(got)[-6:]
    assert message(1, "") == got[-1]["response"]["output"][1]
    assert [message(0, "")] == whole([finished("")])["output"]


def test_an_answer_that_was_cut_short_is_incomplete() -> None:
    events: list[AgentEvent] = [Text("So"), finished("So", finish_reason="length")]
    last = streamed(events)[-1]
    assert "response.incomplete" == last["type"]
    for response in (last["response"], whole(events)):
        assert ("incomplete", {"reason": "max_output_tokens"}, None) == (
            response["status"],
            response["incomplete_details"],
            response["completed_at"],
        )
        assert [message(0, "So", "incomplete")] == response["output"]


def test_a_failure_in_mid_stream_closes_what_is_open() -> None:
    got = streamed([Text("So"), failed()])
    assert [*TEXT_DONE, "failed"] == kinds(got)[-4:]
    response = got[-1]["response"]
    assert ("failed", {"code": "server_error", "message": "The model server stopped answering."}) == (
        response["status"],
        response["error"],
    )
    assert [message(0, "So", "incomplete")] == response["output"]


def test_a_failure_after_nothing_but_heartbeats_is_a_response_too() -> None:
    assert ["created", "in_progress", "failed"] == kinds(streamed([failed()]))
    assert ("cancelled", []) == (
        streamed([failed(failure="cancelled")])[-1]["response"]["status"],
        whole([failed()])["output"],
    )


def test_estimated_counts_are_marked() -> None:
    assert (
        USAGE
        | {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 4},
            "total_tokens": 3,
            "estimated": True,
        }
        == whole([finished(usage=Usage(1, 2, 3, 4, estimated=True))])["usage"]
    )


def test_the_whole_answer_repeats_what_was_asked() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    body = {
        "instructions": "be brief",
        "metadata": {"a": "b"},
        "previous_response_id": "resp_x",
        "temperature": 0.5,
        "max_output_tokens": 7,
        "user": "u",
    }
    got = whole(story("a", "b"), tools=[tool], **body)
    assert body == {key: got[key] for key in body}
    assert {
        "id": f"resp_{RUN}",
        "object": "response",
        "created_at": 1_800_000_000,
        "completed_at": 1_800_000_000,
        "model": "thane",
        "status": "completed",
        "error": None,
        "conversation": {"id": "c_0123456789abcdef"},
        "output": [message(0, "ab")],
        "tools": [tool | {"description": None, "strict": False}],
        "usage": USAGE,
    }.items() <= got.items()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": {"type": "function", "name": "f"},
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "metadata": {"a": "b"},
        },
    ],
)
def test_the_official_types_accept_everything(body: dict[str, Any]) -> None:
    call = finished("", client_calls=(CLIENT_CALL,))
    stories: list[list[AgentEvent]] = [
        [Thinking("hm"), *story("a\u2028b", "<&>"), call],
        [Text("a"), finished("a", finish_reason="length")],
        [Text("a"), failed()],
    ]
    for events in stories:
        for part in streamed(events, **body):
            EVENTS.validate_python(part, strict=True)
        Response.model_validate(whole(events, **body), strict=True)


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_of_a_namespace_is_told_by_its_own_name(stream: bool) -> None:
    call = ToolCall("call_1", "crm__find", {"id": 1})
    space = {"type": "namespace", "name": "crm", "description": "", "tools": [{"type": "function", "name": "find"}]}
    events = [*beginning(), finished("", client_calls=(call,))]
    got = streamed(events, tools=[space])[-1]["response"] if stream else whole(events, tools=[space])
    assert ("crm", "find", "call_1") == tuple(got["output"][-1][key] for key in ("namespace", "name", "call_id"))
