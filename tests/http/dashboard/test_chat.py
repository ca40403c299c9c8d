from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from thane.errors import ClientError
from thane.http.dashboard.chat import Question, encode, make_turn, read_question
from thane.turn import (
    AgentEvent,
    ModelFinished,
    ModelStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    Thinking,
    ToolCall,
    ToolFinished,
    ToolStarted,
    Usage,
)

CALL = ToolCall("call_1", "light.turn_on", {"secret": "<b>"})


def lines(*events: AgentEvent) -> list[Any]:
    return [json.loads(line) for line in encode(events).splitlines()]


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def test_the_form_is_read() -> None:
    body = form(text=" turn it off\n", conversation="c_1", profile="thane:local")
    assert read_question(body, 100) == Question("turn it off", "c_1", "thane:local")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_message"),
        (form(text="  "), 400, "empty_message"),
        (form(text="x" * 101), 413, "too_long"),
        (b"&".join(b"a=1" for _ in range(20)), 400, "bad_form"),
        (b"text=\xff", 400, "bad_form"),
    ],
)
def test_a_form_that_cannot_be_answered_is_refused(body: bytes, status: int, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        read_question(body, 100)
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_new_question_is_a_turn_of_its_own() -> None:
    turn = make_turn(Question("hello", profile="thane:local"), "Firefox")
    assert [message.content for message in turn.messages] == ["hello"]
    assert (turn.model, turn.caller.channel, turn.caller.conversation_id) == ("thane:local", "api", "")
    assert not turn.continues


def test_a_follow_up_continues_its_conversation() -> None:
    turn = make_turn(Question("And now?", "c_l7"), "Firefox")
    assert [message.content for message in turn.messages] == ["And now?"]
    assert (turn.caller.conversation_id, turn.continues) == ("c_l7", True)


def test_events_become_lines_that_the_page_understands() -> None:
    usage = Usage(100, 12, estimated=True)
    assert lines(
        RunStarted("r_1", "c_1", "api", "p"),
        ModelStarted(1, "qwen3", "ollama", 2, 9, 100),
        Thinking("hmm"),
        ToolStarted(1, CALL),
        ToolFinished(1, CALL, ok=False, result="no", duration=0.084),
        Text("The lamp"),
        ModelFinished(1, "qwen3", "ollama", usage, "stop", 1.0),
        RunFinished("r_1", "qwen3", "The lamp is on.", usage, "stop", 1, 1.25, 0.38),
    ) == [
        {"t": "run", "run": "r_1", "conversation": "c_1"},
        {"t": "model", "model": "qwen3"},
        {"t": "thinking"},
        {"t": "tool", "id": "call_1", "name": "light.turn_on"},
        {"t": "tool_done", "id": "call_1", "ok": False, "note": "84 ms"},
        {"t": "text", "text": "The lamp"},
        {"t": "done", "text": "The lamp is on.", "model": "qwen3", "by": ["≈ 12 tokens", "first word 380 ms", "1.2 s"]},
    ]


def test_what_the_chat_box_does_not_show_is_not_sent() -> None:
    assert encode((ModelFinished(1, "m", "p", Usage(), "stop", 1.0),)) == b""


@pytest.mark.parametrize(("failure", "stopped"), [("cancelled", True), ("model", False), ("unavailable", False)])
def test_a_turn_that_was_stopped_is_no_error(failure: Any, stopped: bool) -> None:
    (line,) = lines(RunFailed("r_1", failure, "why", Usage(), 1.0))
    assert line == {"t": "failed", "stopped": stopped, "message": "why"}
