from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.clock import SystemClock
from thane.ids import Ids
from thane.models.failures import Failures, said
from thane.models.ollama_format import AnswerReader, encode_request
from thane.models.provider import ModelCalls, ModelDone, ModelOutput, ModelRequest
from thane.turn import Message, Options, Text, Thinking, ToolCall, ToolSpec, Usage


def reader(line_bytes: int = 1 << 20) -> AnswerReader:
    failures = Failures("ollama", "http://fake", "an Ollama server")
    return AnswerReader(Ids(random.Random(1), SystemClock()), failures=failures, line_bytes=line_bytes)


def line(**message: object) -> bytes:
    return msgspec.json.encode({"model": "m", "message": {"role": "assistant", **message}, "done": False}) + b"\n"


def done(**fields: object) -> bytes:
    return msgspec.json.encode({"model": "m", "message": {"content": ""}, "done": True, **fields}) + b"\n"


def test_everything_that_arrived_together_is_one_batch_in_order():
    data = line(thinking="Hm.") + line(content="Hel") + line(content="lo") + done(prompt_eval_count=3, eval_count=2)
    expected = (Thinking("Hm."), Text("Hel"), Text("lo"), ModelDone(Usage(3, 2)))
    assert expected == reader().receive(data)


@given(st.lists(st.text(min_size=1), max_size=6), st.lists(st.integers(0, 3000), max_size=10))
def test_text_comes_whole_however_the_bytes_are_cut(pieces: list[str], cuts: list[int]):
    data = b"".join(line(content=piece) for piece in pieces) + done(eval_count=1, prompt_eval_count=1)
    answer = reader()
    outputs: list[ModelOutput] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        outputs += answer.receive(data[start:end])
    assert pieces == [each.text for each in outputs if isinstance(each, Text)]
    assert answer.done
    assert answer.failure is None


def test_durations_are_seconds_and_reasons_are_passed_on():
    answer = done(
        done_reason="length",
        prompt_eval_count=3,
        eval_count=2,
        prompt_eval_duration=1_500_000_000,
        eval_duration=250_000_000,
        load_duration=1,
    )
    assert (ModelDone(Usage(3, 2), "length", 1.5, 0.25, 1e-9),) == reader().receive(answer)


def test_counts_that_the_server_leaves_out_are_marked_estimated():
    assert (ModelDone(Usage(0, 2, estimated=True)),) == reader().receive(done(eval_count=2))


def test_tool_calls_get_an_id_where_the_server_gives_none():
    calls = [
        {"function": {"name": "turn_on", "arguments": {"name": "Kitchen"}}},
        {"id": "call_1", "function": {"name": "wait", "arguments": '{"seconds": 2}'}},
        {"id": "", "function": {"name": "stop", "arguments": ""}},
    ]
    outputs = reader().receive(line(content="", tool_calls=calls) + done(prompt_eval_count=1, eval_count=1))
    assert isinstance(outputs[0], ModelCalls)
    first, second, third = outputs[0].calls
    assert ("turn_on", {"name": "Kitchen"}) == (first.name, first.arguments)
    assert ToolCall("call_1", "wait", {"seconds": 2}) == second
    assert ("stop", {}) == (third.name, third.arguments)
    assert first.id.startswith("call_")
    assert len({first.id, second.id, third.id}) == 3
    assert ModelDone(Usage(1, 1), "tool_calls") == outputs[1]


def test_text_before_an_error_line_is_kept_and_the_error_is_told():
    answer = reader()
    assert (Text("Half"),) == answer.receive(line(content="Half") + b'{"error":"cuda out of memory"}\n')
    assert answer.failure is not None
    assert "The model failed in the middle of its answer: cuda out of memory." == answer.failure.message


@pytest.mark.parametrize(
    "garbage", [b"<html>\n", b'{"message": 7}\n', b"[" * 5000 + b"\n", b'{"message":{"content":"\xff"}}\n', b"\x00\n"]
)
def test_garbage_is_a_failure_after_the_text_before_it(garbage: bytes):
    answer = reader()
    assert (Text("Half"),) == answer.receive(line(content="Half") + garbage + line(content="more"))
    assert answer.failure is not None
    assert "not an Ollama answer" in answer.failure.message
    assert not answer.done


@pytest.mark.parametrize("tail", [b"", b'{"model":"m","mess', b"\n  \n"])
def test_an_end_without_the_last_line_is_a_failure_never_a_success(tail: bytes):
    answer = reader()
    answer.receive(line(content="Half") + tail)
    assert () == answer.end()
    assert answer.failure is not None
    assert "The model server ended its answer before it was complete." == answer.failure.message


def test_a_last_line_without_newline_counts():
    answer = reader()
    assert () == answer.receive(done(eval_count=1, prompt_eval_count=1)[:-1])
    assert (ModelDone(Usage(1, 1)),) == answer.end()
    assert answer.failure is None


def test_blank_lines_are_passed_over_and_nothing_follows_the_last_line():
    data = b"\n \n" + line(content="a") + b"\r\n" + done(eval_count=1, prompt_eval_count=1) + line(content="b")
    assert (Text("a"), ModelDone(Usage(1, 1))) == reader().receive(data)


def test_a_line_without_end_is_refused_at_the_limit():
    answer = reader(line_bytes=100)
    answer.receive(b'{"message":{"content":"' + b"x" * 100)
    assert answer.failure is not None
    assert "more than 100 bytes" in answer.failure.message


def test_an_unreadable_tool_call_is_a_failure():
    answer = reader()
    answer.receive(line(tool_calls=[{"function": {"name": "turn_on", "arguments": "not json"}}]))
    assert answer.failure is not None
    assert "tool call" in answer.failure.message


def test_the_servers_words_are_shown_without_paths_controls_or_length():
    assert ": model requires more system memory (5.6 GiB)" == said("model requires more system memory (5.6 GiB).")
    assert ": open …: no such file" == said("open /usr/share/ollama/.ollama/models/blobs/sha256-1: no\nsuch file")
    assert ": bad" == said({"message": "bad", "type": "x"})
    assert ": the key [redacted] is wrong" == said("the key sk-abcdefghijklmnop1234 is wrong")
    assert "" == said(["x"])
    assert len(said("x" * 1000)) < 210


def test_a_request_is_mapped_faithfully():
    request = ModelRequest(
        "qwen3:4b",
        (
            Message("system", "Be brief."),
            Message("user", "What is this?", images=("aGk=",)),
            Message("assistant", "", thinking="Hm.", tool_calls=(ToolCall("call_1", "look", {"where": "here"}),)),
            Message("tool", "a cat", tool_call_id="call_1", tool_name="look"),
        ),
        tools=(ToolSpec("look", "Look.", {"type": "object", "properties": {"where": {}}}),),
        options=Options(
            temperature=0.5,
            top_p=0.9,
            seed=7,
            max_tokens=100,
            stop=("END",),
            format="json",
            think="high",
            keep_alive_seconds=-1.0,
            extra={"num_ctx": 8192.0, "top_k": 20},
        ),
    )
    assert {
        "model": "qwen3:4b",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": ["aGk="]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "Hm.",
                "tool_calls": [
                    {"id": "call_1", "function": {"index": 0, "name": "look", "arguments": {"where": "here"}}}
                ],
            },
            {"role": "tool", "content": "a cat", "tool_name": "look", "tool_call_id": "call_1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Look.",
                    "parameters": {"type": "object", "properties": {"where": {}}},
                },
            }
        ],
        "options": {
            "num_ctx": 8192.0,
            "top_k": 20,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 7,
            "num_predict": 100,
            "stop": ["END"],
        },
        "format": "json",
        "think": "high",
        "keep_alive": -1,
    } == msgspec.json.decode(encode_request(request))


def test_what_was_not_asked_is_not_sent():
    body = msgspec.json.decode(encode_request(ModelRequest("m", (Message("user", "hi"),))))
    assert {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]} == body


def test_what_to_do_with_too_long_a_prompt_stands_beside_the_options():
    options = Options(extra={"truncate": False, "top_k": 5, "logit_bias": {"1": 2}})
    body = msgspec.json.decode(encode_request(ModelRequest("m", (Message("user", "hi"),), options=options)))
    assert (False, {"top_k": 5}) == (body["truncate"], body["options"])
