"""Thane's own chat, in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wire.stories import CONVERSATION, OPENING, RUN, failed, request, story
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import AgentEvent, Message, Thinking
from thane.wire import native_chat
from thane.wire.chat import ChatRequest
from thane.wire.native_chat import NativeStream, NativeWhole

DONE = {
    "response": "Done.",
    "model": "llama",
    "conversation_id": CONVERSATION,
    "run_id": RUN,
    "finish_reason": "stop",
    "steps": 1,
    "usage": {
        "input_tokens": 12,
        "output_tokens": 5,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "cache_write_tokens": 0,
        "estimated": False,
    },
    "duration_ms": 1500.0,
    "first_token_ms": 250.0,
}


def read(**body: Any) -> ChatRequest:
    return native_chat.decode(body, {"accept-language": "de"}, Limits())


def streamed(events: list[AgentEvent]) -> list[Any]:
    data = NativeStream(request(), OPENING).feed(events).decode()
    return [json.loads(part.removeprefix("data: ")) for part in data.split("\n\n")[:-1]]


def test_a_message_alone_begins_a_conversation() -> None:
    request = read(message="hi")
    turn = request.turn
    assert ((Message("user", "hi"),), "", False, False) == (turn.messages, turn.model, turn.continues, request.stream)
    assert ("api", "de") == (turn.caller.channel, turn.caller.language)


def test_with_an_id_it_continues_one() -> None:
    request = read(message="hi", conversation_id="c_1", stream=True, model="thane:premium", think=False)
    assert (True, "c_1", True) == (request.turn.continues, request.turn.caller.conversation_id, request.stream)
    assert ("thane:premium", False) == (request.turn.model, request.turn.options.think)


def test_the_body_says_who_and_where() -> None:
    caller = read(message="hi", user="Ada", area="Kitchen", device="panel", language="nl").turn.caller
    assert ("Ada", "Kitchen", "panel", "nl") == (caller.user, caller.area, caller.device, caller.language)


@pytest.mark.parametrize("message", [None, "", "  \n"])
def test_a_message_is_required(message: object) -> None:
    with pytest.raises(ClientError, match=r"^message is required$"):
        read(message=message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": 1}, "Invalid type for 'message': expected a string, but got an integer instead."),
        ({"message": "x", "conversation_id": "x" * 300}, "conversation_id is too long"),
        ({"message": "x", "user": {}}, "Invalid type for 'user': expected a string, but got an object instead."),
        ({"message": "x", "images": ["?"]}, "images[0] is not base64"),
    ],
)
def test_wrong_fields_are_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(**body)
    assert caught.value.message.startswith(message)


def test_the_whole_answer_tells_what_it_took() -> None:
    assert DONE == json.loads(NativeWhole(request(), OPENING).feed(story("Do", "ne.")))
    told = json.loads(NativeWhole(request(), OPENING).feed([Thinking("hm"), *story("Done.")]))
    assert "hm" == told["thinking"]


def test_the_stream_tells_every_step() -> None:
    started, tool, tool_done, thinking, first, second, done = streamed(
        [*story()[:-1], Thinking("hm"), *story("Do", "ne.")[5:]]
    )
    assert {"type": "started", "run_id": RUN, "conversation_id": CONVERSATION, "profile": "thane:latest"} == started
    assert ("tool_started", "HassTurnOff", {"name": "Kitchen Lights"}) == (
        tool["type"],
        tool["name"],
        tool["arguments"],
    )
    assert ("tool_finished", True, 100.0) == (tool_done["type"], tool_done["ok"], tool_done["duration_ms"])
    assert [{"type": "thinking", "text": "hm"}, {"type": "text", "text": "Do"}] == [thinking, first]
    assert "ne." == second["text"]
    assert {"type": "done"} | DONE == done


def test_a_failure_is_the_last_thing_told() -> None:
    error = streamed([failed()])[0]
    assert ("error", "model", RUN) == (error["type"], error["error"]["code"], error["error"]["request_id"])
