"""Writing Anthropic's messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.wire.stories import CLIENT_CALL, OPENING, beginning, failed, finished, request, story
from thane.turn import AgentEvent, Text, Thinking, Usage
from thane.wire.anthropic_reply import PING, MessageStream, MessageWhole

HEAD = {"id": "msg_r_0123456789abcdef", "type": "message", "role": "assistant", "model": "thane"}
USAGE = {"input_tokens": 12, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
CALL = {"type": "tool_use", "id": "call_0b", "name": "get_weather", "input": {"city": "Åre", "days": [1, 2]}}
EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


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


def streamed(events: list[AgentEvent], **options: Any) -> list[Any]:
    encoder = MessageStream(request(**options), OPENING)
    return [frame for event in events for frame in frames(encoder.feed((event,)))]


def whole(events: list[AgentEvent], **options: Any) -> dict[str, Any]:
    return msgspec.json.decode(MessageWhole(request(stream=False, **options), OPENING).feed(events))


def delta(index: int, kind: str, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: text}}


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def ended(reason: str = "end_turn") -> list[dict[str, Any]]:
    told = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": told, "usage": USAGE}, {"type": "message_stop"}]


def test_an_answer_is_a_message_with_a_block() -> None:
    nothing = {"content": [], "stop_reason": None, "stop_sequence": None}
    assert [
        {"type": "message_start", "message": HEAD | nothing | {"usage": {"input_tokens": 0, "output_tokens": 0}}},
        start(0, TEXT),
        delta(0, "text", "Hello "),
        delta(0, "text", "there."),
        stop(0),
        *ended(),
    ] == streamed(story("Hello ", "there."))


def test_a_batch_gives_the_same_events_in_one_piece() -> None:
    events = [*beginning(), Thinking("hm"), *story("a", "b")]
    assert streamed(events, think=True) == frames(MessageStream(request(think=True), OPENING).feed(tuple(events)))


def test_nothing_is_said_before_there_is_something_to_show() -> None:
    assert b"" == MessageStream(request(), OPENING).feed((*beginning(), Text(""), Thinking("hm")))
    assert "HassTurnOff" not in str([streamed(story("a")), whole(story("a"))])


def test_thinking_is_told_where_it_was_asked_for() -> None:
    events: list[AgentEvent] = [Thinking("h"), Thinking("m"), Text("a"), Thinking("so"), Text("b"), finished("ab")]
    assert [
        *(start(0, THINKING), delta(0, "thinking", "h"), delta(0, "thinking", "m"), stop(0)),
        *(start(1, TEXT), delta(1, "text", "a"), stop(1)),
        *(start(2, THINKING), delta(2, "thinking", "so"), stop(2)),
        *(start(3, TEXT), delta(3, "text", "b"), stop(3)),
        *ended(),
    ] == streamed(events, think="high")[1:]
    blocks = [THINKING | {"thinking": "hmso"}, TEXT | {"text": "ab"}]
    assert blocks == whole(events, think=True)["content"]
    for think in (None, False):
        assert blocks[1:] == whole(events, think=think)["content"]
        assert "thinking" not in str(streamed(events, think=think))


def test_calls_of_the_clients_tools_are_blocks() -> None:
    done = finished("Let me see.", client_calls=(CLIENT_CALL, CLIENT_CALL), finish_reason="tool_calls")
    arguments = {"type": "input_json_delta", "partial_json": '{"city":"Åre","days":[1,2]}'}
    call = {"type": "content_block_delta", "delta": arguments}
    assert [
        *(start(0, TEXT), delta(0, "text", "Let me see."), stop(0)),
        *(start(1, CALL | {"input": {}}), call | {"index": 1}, stop(1)),
        *(start(2, CALL | {"input": {}}), call | {"index": 2}, stop(2)),
        *ended("tool_use"),
    ] == streamed([Text("Let me see."), done])[1:]
    assert ([TEXT | {"text": "Let me see."}, CALL, CALL], "tool_use") == (
        whole([done])["content"],
        whole([done])["stop_reason"],
    )
    assert [CALL] == whole([finished("", client_calls=(CLIENT_CALL,))])["content"]


def test_an_answer_that_was_not_streamed_is_said_at_the_end() -> None:
    assert delta(0, "text", "Hello there.") == streamed([finished("Hello there.")])[2]


def test_an_empty_answer_is_still_a_message() -> None:
    assert ["message_start", "message_delta", "message_stop"] == [part["type"] for part in streamed([finished("")])]
    assert [TEXT] == whole([finished("")])["content"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("max_steps", "end_turn"),
        ("illegal_tool", "end_turn"),
        ("deadline", "max_tokens"),
    ],
)
def test_the_stop_reason_is_one_of_anthropics(reason: str, told: str) -> None:
    assert told == whole([finished(finish_reason=reason)])["stop_reason"]


def test_a_failure_in_mid_stream_is_an_error_event() -> None:
    got = streamed([Text("So"), failed()])
    error = {"type": "api_error", "message": "The model server stopped answering."}
    assert {"type": "error", "error": error, "request_id": "r_0123456789abcdef"} == got[-1]


def test_what_came_from_a_cache_is_counted_apart() -> None:
    assert {
        "input_tokens": 7,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "estimated": True,
    } == whole([finished(usage=Usage(10, 2, 3, estimated=True))])["usage"]


def test_the_whole_answer() -> None:
    content = [{"type": "text", "text": "ab"}]
    told = {"content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}
    assert HEAD | {"model": "thane:latest"} | told == whole(story("a", "b"), model="")


def test_the_heartbeat_is_a_ping() -> None:
    assert [{"type": "ping"}] == frames(PING)


def test_the_official_types_accept_everything() -> None:
    events = [Thinking("hm"), *story("a\u2028b", "<&>")[:-1], finished("x", client_calls=(CLIENT_CALL,))]
    for part in streamed(events, think=True):
        EVENTS.validate_python(part, strict=True)
    Message.model_validate(whole(events, think=True), strict=True)
