"""Chat on the native listener."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import CONVERSATION, RUN, finished, frames, plays, post, says, site
from thane.turn import Message, Text, Thinking, ToolCall

HI = {"model": "thane", "messages": [{"role": "user", "content": "hi"}]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


async def test_a_message_is_answered_with_what_it_took(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.native, "/v1/chat", {"message": "hi"})
        assert ((Message("user", "hi"),), False) == (place.turn.messages, place.turn.continues)
    told = msgspec.json.decode(answer.body)
    assert ("Hello there.", "llama", CONVERSATION, RUN) == (
        told["response"],
        told["model"],
        told["conversation_id"],
        told["run_id"],
    )


async def test_an_id_continues_a_conversation(autojump_clock: MockClock) -> None:
    async with site() as place:
        await post(place.native, "/v1/chat", {"message": "hi", "conversation_id": CONVERSATION})
        assert (CONVERSATION, True) == (place.turn.caller.conversation_id, place.turn.continues)


async def test_a_message_is_required(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.native, "/v1/chat", {"conversation_id": "x"})
    error = msgspec.json.decode(answer.body)["error"]
    assert (400, "message is required", "message") == (answer.status, error["message"], error["param"])


async def test_thanes_own_stream(autojump_clock: MockClock) -> None:
    async with site(plays(Thinking("hm"), Text("Hello"), finished("Hello"))) as place:
        answer = await post(place.native, "/v1/chat", {"message": "hi", "stream": True})
    assert "text/event-stream" == answer.headers["content-type"]
    assert ["started", "thinking", "text", "done"] == [frame["type"] for frame in frames(answer.body)]


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_completions_are_on_both_listeners(listener: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        served = getattr(place, listener)
        whole = await post(served, "/v1/chat/completions", HI)
        stream: Any = {"stream": True, "stream_options": {"include_usage": True}}
        streamed = await post(served, "/v1/chat/completions", HI | stream)
    assert "Hello there." == msgspec.json.decode(whole.body)["choices"][0]["message"]["content"]
    assert ("text/event-stream", "no-cache") == (
        streamed.headers["content-type"],
        streamed.headers["cache-control"],
    )
    got = frames(streamed.body)
    assert ([], 17, "[DONE]") == (got[-2]["choices"], got[-2]["usage"]["total_tokens"], got[-1])


async def test_a_call_of_the_clients_tool_ends_the_answer(autojump_clock: MockClock) -> None:
    call = ToolCall("call_1", "weather", {"city": "Oslo"})
    async with site(plays(finished("", (call,)))) as place:
        answer = await post(place.native, "/v1/chat/completions", HI | {"tools": [WEATHER], "tool_choice": "required"})
        assert ("weather", "required") == (place.turn.tools[0].name, place.turn.tool_choice)
    choice = msgspec.json.decode(answer.body)["choices"][0]
    assert ("tool_calls", '{"city":"Oslo"}') == (
        choice["finish_reason"],
        choice["message"]["tool_calls"][0]["function"]["arguments"],
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "missing_body"),
        (b"{", 400, "invalid_json"),
        (b"[" * 2000, 400, "json_too_deep"),
        (b"[]", 400, "invalid_request"),
        (b'{"messages":[]}', 400, "invalid_request"),
        (b'{"messages":7}', 400, "invalid_type"),
    ],
)
async def test_bad_bodies_are_refused_in_openais_shape(
    body: bytes, status: int, code: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await place.native.ask("POST", "/v1/chat/completions", body)
    error = msgspec.json.decode(answer.body)["error"]
    assert {"message", "type", "param", "code"} == set(error)
    assert (status, code, "invalid_request_error") == (answer.status, error["code"], error["type"])


async def test_the_content_type_is_never_looked_at(autojump_clock: MockClock) -> None:
    async with site(says("ok")) as place:
        answer = await post(place.native, "/v1/chat/completions", HI, "Content-Type: text/plain")
    assert 200 == answer.status
