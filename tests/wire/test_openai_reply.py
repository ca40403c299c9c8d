"""Writing OpenAI's chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.wire.stories import CLIENT_CALL, OPENING, beginning, failed, finished, request, story
from thane.turn import AgentEvent, Text, Thinking, Usage
from thane.wire.openai_reply import OpenAiStream, OpenAiWhole

USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def frames(data: bytes) -> list[Any]:
    """The events of a stream; `[DONE]` as it is."""
    parts = data.decode().split("\n\n")
    assert "" == parts.pop()
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [part[6:] if part == "data: [DONE]" else json.loads(part[6:]) for part in parts]


def streamed(events: list[AgentEvent], **options: Any) -> list[Any]:
    encoder = OpenAiStream(request(**options), OPENING)
    return [frame for event in events for frame in frames(encoder.feed((event,)))]


def whole(events: list[AgentEvent], **options: Any) -> dict[str, Any]:
    return json.loads(OpenAiWhole(request(stream=False, **options), OPENING).feed(events))


def deltas(parts: list[Any]) -> list[dict[str, Any]]:
    return [part["choices"][0]["delta"] for part in parts if part != "[DONE]" and part["choices"]]


def test_an_answer_is_role_pieces_reason_done() -> None:
    got = streamed(story("Hello ", "there."))
    assert [{"role": "assistant", "content": ""}, {"content": "Hello "}, {"content": "there."}, {}] == deltas(got)
    assert [None, None, None, "stop"] == [part["choices"][0]["finish_reason"] for part in got[:-1]]
    assert "[DONE]" == got[-1]
    assert {("chatcmpl-r_0123456789abcdef", 1_800_000_000, "thane", "chat.completion.chunk")} == {
        (part["id"], part["created"], part["model"], part["object"]) for part in got[:-1]
    }


def test_a_batch_gives_the_same_chunks_in_one_piece() -> None:
    events = [*beginning(), Thinking("hm"), *story("a", "b")]
    assert streamed(events) == frames(OpenAiStream(request(), OPENING).feed(tuple(events)))


def test_thanes_own_tools_are_never_shown() -> None:
    assert b"" == OpenAiStream(request(), OPENING).feed(tuple(beginning()))
    assert "HassTurnOff" not in json.dumps([streamed(story("a")), whole(story("a"))])


def test_usage_comes_last_and_only_where_asked_for() -> None:
    got = streamed(story("a"), wants_usage=True)
    assert ([], USAGE) == (got[-2]["choices"], got[-2]["usage"])
    assert {} == got[-3]["choices"][0]["delta"]
    assert not any("usage" in part for part in streamed(story("a")) if part != "[DONE]")


def test_estimated_counts_are_marked() -> None:
    assert whole([finished(usage=Usage(1, 2, 3, 4, estimated=True))])["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
        "estimated": True,
    }


def test_reasoning_goes_by_both_names() -> None:
    assert {"reasoning_content": "hm", "reasoning": "hm"} == deltas(streamed([Thinking("hm")]))[1]
    message = whole([Thinking("h"), Thinking("m"), *story("a")])["choices"][0]["message"]
    assert ("hm", "hm", "a") == (message["reasoning_content"], message["reasoning"], message["content"])


def test_calls_of_the_clients_tools_have_string_arguments() -> None:
    done = finished("", client_calls=(CLIENT_CALL,), finish_reason="tool_calls")
    function = {"name": "get_weather", "arguments": '{"city":"Åre","days":[1,2]}'}
    call = {"id": "call_0b", "type": "function", "function": function}
    got = streamed([done])
    assert [{"index": 0} | call] == deltas(got)[1]["tool_calls"]
    assert "tool_calls" == got[-2]["choices"][0]["finish_reason"]
    choice = whole([done])["choices"][0]
    assert (None, [call], "tool_calls") == (
        choice["message"]["content"],
        choice["message"]["tool_calls"],
        choice["finish_reason"],
    )


def test_an_answer_that_was_not_streamed_is_said_at_the_end() -> None:
    assert {"content": "Hello there."} == deltas(streamed([finished("Hello there.")]))[1]
    assert 2 == len(deltas(streamed([finished("")])))
    assert [] == streamed([Text("")])


def test_a_failure_in_mid_stream_is_a_frame_without_choices_and_no_done() -> None:
    last = streamed([Text("So"), failed()])[-1]
    assert {
        "error": {
            "message": "The model server stopped answering.",
            "type": "api_error",
            "param": None,
            "code": "model",
            "request_id": "r_0123456789abcdef",
        }
    } == last


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "stop"), ("length", "length"), ("max_steps", "stop"), ("illegal_tool", "stop"), ("deadline", "length")],
)
def test_the_finish_reason_is_one_of_openais(reason: str, told: str) -> None:
    assert told == whole([finished(finish_reason=reason)])["choices"][0]["finish_reason"]


def test_the_whole_answer() -> None:
    assert {
        "id": "chatcmpl-r_0123456789abcdef",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "thane:latest",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    } == whole(story("a", "b"), model="")


def test_the_official_types_accept_everything() -> None:
    events = [Thinking("hm"), *story("a\u2028b", "<&>"), finished("", client_calls=(CLIENT_CALL,))]
    for part in streamed(events, wants_usage=True):
        if part != "[DONE]":
            ChatCompletionChunk.model_validate(part, strict=True)
    ChatCompletion.model_validate(whole(events), strict=True)
