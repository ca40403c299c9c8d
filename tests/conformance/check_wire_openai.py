"""The contract's rows of OpenAI's and Anthropic's APIs, on the raw wire of both ports."""

from __future__ import annotations

import base64
import struct
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from tests.clients.asking import WEATHER, Doors
from tests.conformance.wire import Answer, Row, play

HI = [{"role": "user", "content": "turn on the kitchen lights"}]
CHAT = "/v1/chat/completions"


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "thane", "messages": HI} | more


def _is_error(answer: Answer, *parts: str) -> bool:
    error = answer.json["error"]
    return {"message", "type", "param", "code"} <= error.keys() and all(part in error["message"] for part in parts)


def _content(answer: Answer) -> str:
    return answer.json["choices"][0]["message"]["content"]


def _is_stream(answer: Answer, *, usage: bool) -> bool:
    frames = answer.frames
    deltas = [frame["choices"][0]["delta"] for frame in frames if frame["choices"]]
    finished = [frame for frame in frames if frame["choices"] and frame["choices"][0]["finish_reason"]]
    return (
        answer.headers["content-type"].startswith("text/event-stream")
        and answer.text.endswith("data: [DONE]\n\n")
        and len({(frame["id"], frame["created"]) for frame in frames}) == 1
        and [delta.get("role") for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
        and len(finished) == 1
        and finished[0]["choices"][0]["finish_reason"] == "stop"
        and (frames[-1]["choices"] == []) == usage
        and (not usage or frames[-1]["usage"]["total_tokens"] > 0)
    )


def _numbered(answer: Answer) -> bool:
    frames = answer.frames
    kinds = [frame["type"] for frame in frames]
    return (
        [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
        and kinds[:2] == ["response.created", "response.in_progress"]
        and kinds[-1] == "response.completed"
        and {"cached_tokens", "cache_write_tokens"} <= frames[-1]["response"]["usage"]["input_tokens_details"].keys()
    )


def rows(door: Literal["ollama", "native"]) -> tuple[Row, ...]:
    anthropic = {"model": "thane", "max_tokens": 99, "messages": HI}
    image = {"type": "image_url", "image_url": {"url": "http://example.org/cat.png"}}
    table = (
        Row(
            "a whole answer",
            CHAT,
            chat(),
            holds=lambda a: a.json["object"] == "chat.completion" and "light" in _content(a),
        ),
        Row("a stream", CHAT, chat(stream=True), holds=lambda a: _is_stream(a, usage=False)),
        Row(
            "a stream with usage",
            CHAT,
            chat(stream=True, stream_options={"include_usage": True}),
            holds=lambda a: _is_stream(a, usage=True),
        ),
        Row("no buffering by proxies", CHAT, chat(stream=True), holds=lambda a: a.headers["x-accel-buffering"] == "no"),
        Row("no messages", CHAT, chat(messages=[]), 400, _is_error),
        Row("no content", CHAT, chat(messages=[{"role": "user", "content": None}]), 400, _is_error),
        Row(
            "content in parts",
            CHAT,
            chat(messages=[{"role": "user", "content": [{"type": "text", "text": "turn on the kitchen lights"}]}]),
            holds=lambda a: "light" in _content(a),
        ),
        Row("a picture by its address", CHAT, chat(messages=[{"role": "user", "content": [image]}]), 400, _is_error),
        Row("n above 1", CHAT, chat(n=2), 400, lambda a: _is_error(a, "n")),
        Row(
            "an unknown model",
            CHAT,
            chat(model="nope"),
            404,
            lambda a: _is_error(a, "model 'nope' not found") and a.json["error"]["type"] == "not_found_error",
        ),
        Row(
            "a model without tools that is asked for them",
            CHAT,
            chat(model="plain:1b", tools=[WEATHER]),
            400,
            lambda a: _is_error(a, "does not support tools"),
            script=True,
        ),
        Row("what is useless to retry says so", CHAT, chat(n=2), 400, lambda a: a.headers["x-should-retry"] == "false"),
        Row("an unknown effort", CHAT, chat(reasoning_effort="heroic"), 400, _is_error),
        Row(
            "the most tokens, by the newer name",
            CHAT,
            chat(max_completion_tokens=17, messages=play(["echo"])),
            script=True,
            holds=lambda a: '"num_predict":17' in _content(a),
        ),
        Row(
            "the choice of no tool",
            CHAT,
            chat(tools=[WEATHER], tool_choice="none", messages=play(["echo"])),
            script=True,
            holds=lambda a: "get_weather" not in _content(a),
        ),
        Row(
            "a tool call",
            CHAT,
            chat(tools=[WEATHER], messages=play(["call", ["get_weather", {"city": "Oslo"}]])),
            script=True,
            holds=lambda a: (
                a.json["choices"][0]["finish_reason"] == "tool_calls"
                and a.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":"Oslo"}'
            ),
        ),
        Row(
            "tool calls in a stream have an index",
            CHAT,
            chat(stream=True, tools=[WEATHER], messages=play(["call", ["get_weather", {"city": "Oslo"}]])),
            script=True,
            holds=lambda a: any(
                c["index"] == 0 and c["type"] == "function"
                for f in a.frames
                for c in f["choices"][0]["delta"].get("tool_calls", ())
            ),
        ),
        Row(
            "a failure in mid-stream is an error frame",
            CHAT,
            chat(stream=True, messages=play(["say", ["So"]], ["wait", 0.3], ["fail", "broken"])),
            script=True,
            holds=lambda a: a.frames[-1]["error"]["message"] and not a.frames[-1].get("choices"),
        ),
        Row(
            "models",
            "/v1/models",
            holds=lambda a: a.json["object"] == "list" and "thane:latest" in [m["id"] for m in a.json["data"]],
        ),
        Row("one model", "/v1/models/thane", holds=lambda a: a.json["object"] == "model"),
        Row("a model that is not there", "/v1/models/nope", status=404, holds=_is_error),
        Row(
            "completions",
            "/v1/completions",
            {"model": "thane", "prompt": "turn on the kitchen lights"},
            holds=lambda a: a.json["id"].startswith("cmpl-") and "light" in a.json["choices"][0]["text"],
        ),
        Row(
            "embeddings",
            "/v1/embeddings",
            {"model": "vectors:1b", "input": "one"},
            script=True,
            holds=lambda a: len(a.json["data"][0]["embedding"]) == 3,
        ),
        Row(
            "embeddings in base64",
            "/v1/embeddings",
            {"model": "vectors:1b", "input": "one", "encoding_format": "base64"},
            script=True,
            holds=lambda a: len(struct.unpack("<3f", base64.b64decode(a.json["data"][0]["embedding"]))) == 3,
        ),
        Row(
            "embeddings of nothing", "/v1/embeddings", {"model": "vectors:1b", "input": []}, 400, _is_error, script=True
        ),
        Row(
            "a response",
            "/v1/responses",
            {"model": "thane", "input": "turn on the kitchen lights"},
            holds=lambda a: a.json["object"] == "response" and a.json["status"] == "completed",
        ),
        Row(
            "a response's events are numbered",
            "/v1/responses",
            {"model": "thane", "input": "turn on the kitchen lights", "stream": True},
            holds=_numbered,
        ),
        Row(
            "a message",
            "/v1/messages",
            anthropic,
            holds=lambda a: a.json["type"] == "message" and a.json["stop_reason"] == "end_turn",
        ),
        Row(
            "a message in a stream",
            "/v1/messages",
            anthropic | {"stream": True},
            holds=lambda a: (
                [f["type"] for f in a.frames][0] == "message_start" and a.frames[-1]["type"] == "message_stop"
            ),
        ),
        Row("a message's tokens", "/v1/messages/count_tokens", anthropic, holds=lambda a: a.json["input_tokens"] > 0),
        Row(
            "an error in Anthropic's form",
            "/v1/messages",
            anthropic | {"model": "nope"},
            404,
            lambda a: a.json["type"] == "error" and a.json["error"]["type"] == "not_found_error",
        ),
    )
    return tuple(replace(row, door=door) for row in table)


PARAMETERS = [
    pytest.param(row, id=f"{door}: {row.name}", marks=[pytest.mark.script] if row.script else [])
    for door in ("native", "ollama")
    for row in rows(door)
]


@pytest.mark.parametrize("row", PARAMETERS)
def test_row(row: Row, doors: Doors) -> None:
    answer = row.ask(doors)
    assert row.status == answer.status, answer.text[:500]
    assert row.holds(answer) or row.holds is bool, answer.text[:2000]
