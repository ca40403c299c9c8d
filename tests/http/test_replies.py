"""A request, a codec and a turn, joined: heads, pieces, heartbeats, failures, clients that leave."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import trio
from quart import Response
from trio.testing import MockClock

from tests.http.scripted import (
    RUN,
    failed,
    finished,
    frames,
    lines,
    ollama_chat,
    plays,
    post,
    site,
    started,
)
from thane.config.settings import Events, Limits, Settings
from thane.errors import ClientError
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.http.replies import mark_requests
from thane.testing.serving import request, serving
from thane.turn import ModelStarted, Text

HOME_ASSISTANT = {
    "role": "system",
    "content": "You are a voice assistant for Home Assistant.\nAnswer questions about the world truthfully.",
}
VOICE = ollama_chat(messages=[HOME_ASSISTANT, {"role": "user", "content": "lights"}])
OPENAI = ollama_chat()
COMPLETIONS = "/v1/chat/completions"


def encoded(body: object) -> bytes:
    return msgspec.json.encode(body)


async def test_a_stream_has_the_runs_id_and_no_length(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/chat", ollama_chat())
    assert (200, "application/x-ndjson", RUN) == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["x-request-id"],
    )
    assert "content-length" not in answer.headers
    assert ["Hello ", "there.", ""] == [line["message"]["content"] for line in lines(answer.body)]


async def test_a_whole_answer_has_a_length(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/chat", ollama_chat(stream=False))
    assert str(len(answer.body)) == answer.headers["content-length"]
    assert ("application/json; charset=utf-8", RUN) == (answer.headers["content-type"], answer.headers["x-request-id"])
    assert "Hello there." == msgspec.json.decode(answer.body)["message"]["content"]


async def test_what_is_ready_leaves_in_one_piece(autojump_clock: MockClock) -> None:
    """Two batches that are ready at the same moment are one chunk (RFC 9112, 7.1) of an answer."""
    script = plays(Text("a"), 1.0, (Text("b"), Text("c")), (Text("d"),), 1.0, finished("abcd"))
    async with site(script) as place, await place.ollama.connect() as client:
        await client.send(request("POST", "/api/chat", encoded(ollama_chat()), "Connection: close"))
        raw = await client.read_all()
    sizes = re.findall(rb"^([0-9a-f]+)\r$", raw.partition(b"\r\n\r\n")[2], re.MULTILINE)
    assert 4 == len(sizes)  # a; b, c and d; the last line; the end
    assert 5 == raw.count(b'"done":')


@pytest.mark.parametrize(
    ("failure", "status"),
    [("model", 502), ("unavailable", 503), ("deadline", 504), ("cancelled", 499), ("internal", 500)],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_word_has_a_status(
    failure: Any, status: int, stream: bool, autojump_clock: MockClock
) -> None:
    async with site(plays(1.0, failed(failure=failure))) as place:
        plain = await post(place.ollama, "/api/chat", ollama_chat(stream=stream))
        openai = await post(place.native, COMPLETIONS, ollama_chat(stream=stream))
        native = await post(place.native, "/v1/chat", {"message": "hi"})
    assert (status, {"error": "The model server stopped answering."}) == (
        plain.status,
        msgspec.json.decode(plain.body),
    )
    for answer in (openai, native):
        assert (status, "false", RUN) == (
            answer.status,
            answer.headers["x-should-retry"],
            answer.headers["x-request-id"],
        )
        error = msgspec.json.decode(answer.body)["error"]
        assert (failure, None, RUN) == (error["code"], error["param"], error["request_id"])


async def test_a_whole_answer_that_fails_late_has_a_status_too(autojump_clock: MockClock) -> None:
    async with site(plays(Text("So"), 1.0, failed())) as place:
        assert 502 == (await post(place.native, COMPLETIONS, OPENAI)).status
        assert 502 == (await post(place.ollama, "/api/chat", ollama_chat(stream=False))).status


async def test_home_assistant_is_told_in_words(autojump_clock: MockClock) -> None:
    async with site(plays(failed())) as place:
        streamed = await post(place.ollama, "/api/chat", VOICE)
        whole = await post(place.ollama, "/api/chat", VOICE | {"stream": False})
        place.conversations.refuses = ClientError("Too many turns wait.", status=429, code="queue_full")
        refused = await post(place.ollama, "/api/chat", VOICE)
        unknown = await post(place.ollama, "/api/chat", VOICE | {"model": "nope"})
    said = [answer.body.splitlines()[0] for answer in (streamed, whole, refused, unknown)]
    assert [200] * 4 == [answer.status for answer in (streamed, whole, refused, unknown)]
    assert [
        "The model server stopped answering.",
        "The model server stopped answering.",
        "Too many turns wait.",
        "model 'nope' not found",
    ] == [msgspec.json.decode(line)["message"]["content"] for line in said]
    assert lines(refused.body)[-1]["done"]


async def test_home_assistants_ai_task_is_told_with_a_status(autojump_clock: MockClock) -> None:
    async with site(plays(failed())) as place:
        answer = await post(place.ollama, "/api/chat", VOICE | {"format": {"type": "object"}})
    assert 502 == answer.status


async def test_a_failure_in_mid_stream_ends_the_stream(autojump_clock: MockClock) -> None:
    async with site(plays(Text("So"), 1.0, failed())) as place:
        openai = await post(place.native, COMPLETIONS, OPENAI | {"stream": True})
        plain = await post(place.ollama, "/api/chat", ollama_chat())
        voice = await post(place.ollama, "/api/chat", VOICE)
    last = frames(openai.body)[-1]
    assert (200, "model", False) == (openai.status, last["error"]["code"], "choices" in last)
    assert {"error": "The model server stopped answering."} == lines(plain.body)[-1]
    assert ["So", "\n\nThe model server stopped answering.", ""] == [
        line["message"]["content"] for line in lines(voice.body)
    ]


async def test_a_full_queue_is_worth_a_retry(autojump_clock: MockClock) -> None:
    async with site() as place:
        place.conversations.refuses = ClientError("busy", status=429, code="queue_full", retry_after=2.4)
        answer = await post(place.native, COMPLETIONS, OPENAI)
        other = await post(place.ollama, "/api/chat", ollama_chat())
    assert (429, "2") == (answer.status, answer.headers["retry-after"])
    assert "x-should-retry" not in answer.headers
    assert (429, {"error": "busy"}) == (other.status, msgspec.json.decode(other.body))
    assert answer.headers["x-request-id"].startswith("r_")


async def test_a_silent_run_is_covered_by_heartbeats(autojump_clock: MockClock) -> None:
    script = plays(50.0, Text("a"), 30.0, finished("a"))
    settings = Settings(events=Events(ping_seconds=20))
    async with site(script, settings=settings) as place:
        answer = await post(place.native, COMPLETIONS, OPENAI | {"stream": True})
        native = await post(place.native, "/v1/chat", {"message": "hi", "stream": True})
        plain = await post(place.ollama, "/api/chat", ollama_chat())
    shape = [each if isinstance(each, str) else "chunk" for each in frames(answer.body)]
    assert [":", ":", "chunk", "chunk", ":", "chunk", "[DONE]"] == shape
    assert ["started", ":", ":", "text", ":", "done"] == [
        each if each == ":" else each["type"] for each in frames(native.body)
    ]
    assert ["a", ""] == [line["message"]["content"] for line in lines(plain.body)]


async def test_events_that_show_nothing_do_not_put_a_heartbeat_off(autojump_clock: MockClock) -> None:
    script = plays(*[step for _ in range(10) for step in (6.0, (started(),))], finished("a"))
    async with site(script, settings=Settings(events=Events(ping_seconds=20))) as place:
        answer = await post(place.native, COMPLETIONS, OPENAI | {"stream": True})
    assert [":", ":"] == frames(answer.body)[:2]


@pytest.mark.parametrize("when", ["before the head", "in the stream", "whole"])
async def test_a_client_that_leaves_cancels_its_run_at_once(when: str, autojump_clock: MockClock) -> None:
    body = ollama_chat(stream=when != "whole")
    script = plays(*([] if when == "before the head" else [Text("a")]), 1000.0, finished("a"))
    async with site(script) as place:
        client = await place.ollama.connect()
        await client.send(request("POST", "/api/chat", encoded(body)))
        if when == "in the stream":
            await client.read_until(b'"content":"a"')
        await trio.sleep(1)
        assert ([], 1) == (place.conversations.ended, len(place.conversations.turns))
        left = trio.current_time()
        client.close()
        await trio.sleep(0.05)
        ((at, in_the_middle),) = place.conversations.ended
    assert in_the_middle
    assert at - left < 0.05


async def test_a_client_that_does_not_read_slows_the_run_down(autojump_clock: MockClock) -> None:
    """Nothing is gathered for it but what the sockets and the reply channel hold."""
    many = 5000
    script = plays(*[Text("x" * 1000)] * many, finished(""))
    async with site(script) as place, await place.ollama.connect(receive_buffer=4096) as client:
        await client.send(request("POST", "/api/chat", encoded(ollama_chat())))
        await trio.sleep(10)
        held = place.conversations.sent
        assert held < many / 2
        await trio.sleep(10)
        assert held == place.conversations.sent


async def test_a_run_that_ends_without_a_last_event_is_a_failure(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(plays(Text("a"))) as place:
        answer = await post(place.native, COMPLETIONS, OPENAI | {"stream": True})
        whole = await post(place.native, COMPLETIONS, OPENAI)
    assert "internal" == frames(answer.body)[-1]["error"]["code"]
    assert (500, "internal error") == (whole.status, msgspec.json.decode(whole.body)["error"]["message"])


async def test_every_turn_is_left_once_it_is_answered(autojump_clock: MockClock) -> None:
    async with site() as place:
        for body in (ollama_chat(), ollama_chat(stream=False)):
            await post(place.ollama, "/api/chat", body)
        assert [False, False] == [in_the_middle for _, in_the_middle in place.conversations.ended]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_run_has_one_id_in_its_answer_and_in_the_log(stream: bool, autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/chat", ollama_chat(stream=stream))
        refused = await post(place.ollama, "/api/chat", ollama_chat(model="nope"))
        ids = [record.request_id for record in place.ollama.records]
    assert [RUN, refused.headers["x-request-id"]] == ids
    assert RUN == answer.headers["x-request-id"]


async def test_while_an_answer_is_held_back_there_are_heartbeats(autojump_clock: MockClock) -> None:
    """As where a format was asked for: steps are told of, but nothing of them is shown yet."""
    step = ModelStarted(1, "llama", "ollama", 1, 0, 5)
    async with site(
        plays(20.0, step, 20.0, step, Text("{}"), finished("{}")), settings=Settings(events=Events(ping_seconds=15))
    ) as place:
        answer = await post(place.native, COMPLETIONS, OPENAI | {"stream": True})
    got = frames(answer.body)
    assert got.count(":") >= 2
    assert ["", "{}"] == [each["choices"][0]["delta"].get("content") for each in got if each not in (":", "[DONE]")][:2]


async def test_an_answer_without_content_says_no_type(autojump_clock: MockClock) -> None:
    app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
    mark_requests(app)

    @app.delete("/thing")
    async def delete() -> Response:
        return Response(b"", 204)

    async with serving(app) as served:
        answer = await served.ask("DELETE", "/thing")
    assert 204 == answer.status
    assert "content-type" not in answer.headers
    assert answer.headers["x-request-id"]
