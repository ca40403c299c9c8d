"""Writing Ollama's chat answers."""

from __future__ import annotations

import json
from typing import Any

import ollama
import pytest

from tests.wire.stories import CLIENT_CALL, OPENING, StoppedClock, beginning, failed, finished, request, story
from thane.turn import AgentEvent, Caller, Text, Thinking, Usage
from thane.wire.ollama_reply import OllamaStream, OllamaWhole, Stamps, loaded, speaks_at_once

HOME_ASSISTANT = Caller(channel="ha")
AT = "2027-01-15T08:00:00.250000Z"


def lines(data: bytes) -> list[dict[str, Any]]:
    """As ollama-python splits them: no blank line, and every one is JSON."""
    text = data.decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def streamed(events: list[AgentEvent], **options: Any) -> list[dict[str, Any]]:
    encoder = OllamaStream(request(**options), OPENING)
    return [line for event in events for line in lines(encoder.feed((event,)))]


def whole(events: list[AgentEvent], **options: Any) -> dict[str, Any]:
    data = OllamaWhole(request(stream=False, **options), OPENING).feed(events)
    return json.loads(data)


def test_an_answer_is_a_line_for_each_piece_and_a_last_one() -> None:
    first, second, last = streamed(story("Hello ", "there."))
    assert {
        "model": "thane",
        "created_at": AT,
        "message": {"role": "assistant", "content": "Hello "},
        "done": False,
    } == first
    assert "there." == second["message"]["content"]
    assert {
        "model": "thane",
        "created_at": AT,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_500_000_000,
        "prompt_eval_count": 12,
        "prompt_eval_duration": 125_000_000,
        "eval_count": 5,
        "eval_duration": 500_000_000,
    } == last


def test_a_batch_gives_the_same_lines_in_one_piece() -> None:
    events = [*beginning(), Thinking("hm"), *story("a", "b")]
    encoder = OllamaStream(request(), OPENING)
    assert streamed(events) == lines(encoder.feed(tuple(events)))


def test_the_model_is_echoed_as_it_was_sent() -> None:
    assert ["Thane:<LATEST>"] * 3 == [line["model"] for line in streamed(story("a", "b"), model="Thane:<LATEST>")]


def test_thanes_own_tools_are_never_shown() -> None:
    encoder = OllamaStream(request(), OPENING)
    assert b"" == encoder.feed(tuple(beginning()))
    assert b"HassTurnOff" not in encoder.feed(tuple(story("a")))
    assert "tool_calls" not in whole(story("a"))["message"]


def test_thinking_is_apart_from_content() -> None:
    line = streamed([Thinking("hm\u2028")])[0]
    assert {"role": "assistant", "content": "", "thinking": "hm\u2028"} == line["message"]
    assert {"role": "assistant", "content": "ab", "thinking": "hm"} == whole([Thinking("hm"), *story("a", "b")])[
        "message"
    ]


def test_calls_of_the_clients_tools_come_whole_in_one_line() -> None:
    done = finished("", client_calls=(CLIENT_CALL,), finish_reason="tool_calls")
    calls, last = streamed([done])
    function = {"index": 0, "name": "get_weather", "arguments": {"city": "Åre", "days": [1, 2]}}
    assert [{"id": "call_0b", "function": function}] == calls["message"]["tool_calls"]
    assert ("", False, "stop") == (calls["message"]["content"], calls["done"], last["done_reason"])
    assert [{"id": "call_0b", "function": function}] == whole([done])["message"]["tool_calls"]


def test_an_answer_that_was_not_streamed_is_said_at_the_end() -> None:
    assert ["Hello there.", ""] == [line["message"]["content"] for line in streamed([finished("Hello there.")])]
    assert ["a", ""] == [line["message"]["content"] for line in streamed([Text("a"), finished("a")])]


def test_empty_pieces_are_no_lines() -> None:
    """Open WebUI takes a line without content for the end."""
    assert [] == streamed([Text("")])


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "stop"), ("max_steps", "stop"), ("deadline", "length")],
)
def test_the_done_reason_is_one_that_clients_know(reason: str, told: str) -> None:
    assert told == streamed([finished(finish_reason=reason)])[-1]["done_reason"]


def test_metrics_of_nothing_are_left_out_and_estimates_marked() -> None:
    done = finished(usage=Usage(), prompt_duration=0.0, decode_duration=0.0)
    assert {"total_duration", "model", "created_at", "message", "done", "done_reason"} == set(streamed([done])[-1])
    assert streamed([finished(usage=Usage(1, 2, estimated=True))])[-1]["estimated"] is True


@pytest.mark.parametrize("channel", ["ha", "owu"])
def test_a_failure_in_mid_stream_is_said_where_error_lines_are_dropped(channel: Any) -> None:
    _, said, last = streamed([Text("So"), failed()], caller=Caller(channel=channel))
    assert "\n\nThe model server stopped answering." == said["message"]["content"]
    assert (True, "stop", 2_000_000_000) == (last["done"], last["done_reason"], last["total_duration"])


def test_a_failure_in_mid_stream_is_an_error_line_for_everyone_else() -> None:
    assert {"error": "The model server stopped answering."} == streamed([Text("So"), failed()])[-1]


def test_who_reads_json_is_never_told_a_failure_as_content() -> None:
    for channel in ("ha", "owu"):
        assert "error" in streamed([failed()], caller=Caller(channel=channel), format="json")[-1]
    assert "error" in streamed([failed()], caller=Caller(channel="owu", task="title_generation"))[-1]


def test_only_home_assistant_is_told_at_once() -> None:
    assert speaks_at_once(request(caller=HOME_ASSISTANT))
    assert not speaks_at_once(request(caller=HOME_ASSISTANT, format={}))
    assert not speaks_at_once(request(caller=Caller(channel="owu")))
    said = whole([Text("So"), failed()], caller=HOME_ASSISTANT)
    assert "So\n\nThe model server stopped answering." == said["message"]["content"]


def test_the_whole_answer_is_the_runs_own_text() -> None:
    got = whole([Text("He"), Text("llo"), finished("Hello")])
    assert ("Hello", True, 5) == (got["message"]["content"], got["done"], got["eval_count"])
    assert "llo" == whole([Text("llo"), finished("")])["message"]["content"]


def test_the_official_client_reads_every_line() -> None:
    events = [Thinking("hm"), *story("a\u2028b", "<&>"), finished("", client_calls=(CLIENT_CALL,))]
    parsed = [ollama.ChatResponse.model_validate(line) for line in streamed(events)]
    assert "a\u2028b<&>" == "".join(part.message.content or "" for part in parsed)
    assert [CLIENT_CALL.arguments] == [call.function.arguments for call in parsed[-2].message.tool_calls or ()]


def test_loading_is_answered_as_done() -> None:
    got = json.loads(loaded(request("m"), "unload", StoppedClock()))
    message = {"role": "assistant", "content": ""}
    assert {"model": "m", "created_at": AT, "message": message, "done": True, "done_reason": "unload"} == got


def test_stamps_follow_the_clock() -> None:
    class Clock:
        now = 1_800_000_000.999999

        def time(self) -> float:
            return self.now

    clock = Clock()
    stamps = Stamps(clock)
    first = stamps.now()
    clock.now = 1_800_000_061.000001
    assert b"2027-01-15T08:00:00.99999" == first[:25]
    assert b"2027-01-15T08:01:01.00000" == stamps.now()[:25]
