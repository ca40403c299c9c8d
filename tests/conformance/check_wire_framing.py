"""The contract's rows of how bytes go in and out, on the raw wire: bodies, silence, failures in mid-stream, one port."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import zstandard  # pyright: ignore[reportMissingImports]  in the suites' own environment

from tests.clients.asking import Doors
from tests.conformance import places
from tests.conformance.places import PING_SECONDS
from tests.conformance.wire import Answer, Row, play

HI = [{"role": "user", "content": "turn on the kitchen lights"}]
CHAT = {"model": "thane", "messages": HI, "stream": False}
BODY = json.dumps(CHAT).encode()
TOO_MUCH = b'{"model":"' + b" " * (33_554_432 + 1) + b'"}'
HOME_ASSISTANT = "You are a voice assistant for Home Assistant."
OPEN_WEBUI = {"X-OpenWebUI-Chat-Id": "6f1c1f0e-0000-4000-8000-000000000001"}
BREAKS: tuple[list[Any], ...] = (["say", ["So ", "far "]], ["wait", 0.3], ["fail", "secret /etc/broken"])
both_doors = pytest.mark.parametrize("door", ["native", "ollama"])


def exchanged(url: str, *pieces: bytes, pause: float = 0.05) -> bytes:
    """What comes back for raw bytes, sent one after the other, up to the end of the connection."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        got = b""
        while piece := connection.recv(65_536):
            got += piece
        return got


def head(path: str, *more: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *more)
    return "\r\n".join((*lines, "", "")).encode()


def packed(coding: str, data: bytes) -> bytes:
    return gzip.compress(data) if coding == "gzip" else zstandard.compress(data)


# Bodies


@both_doors
def test_a_body_in_chunks(doors: Doors, door: Literal["native", "ollama"]) -> None:
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:20], BODY[20:])]
    path = "/v1/chat/completions"
    got = exchanged(getattr(doors, door), head(path, "Transfer-Encoding: chunked"), *chunks, b"0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"light" in got


@both_doors
def test_a_body_that_waits_to_be_asked_for(doors: Doors, door: Literal["native", "ollama"]) -> None:
    place = urlsplit(getattr(doors, door))
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as connection:
        connection.sendall(head("/v1/chat/completions", "Expect: 100-continue", f"Content-Length: {len(BODY)}"))
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(65_536)
        connection.sendall(BODY)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


@both_doors
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_packed_body(doors: Doors, door: Literal["native", "ollama"], coding: str) -> None:
    row = Row("", "/v1/chat/completions", packed(coding, BODY), headers={"Content-Encoding": coding}, door=door)
    assert "light" in row.ask(doors).json["choices"][0]["message"]["content"]


@both_doors
@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
def test_a_body_beyond_the_limit(doors: Doors, door: Literal["native", "ollama"], coding: str) -> None:
    headers: Mapping[str, str] = {"Content-Encoding": coding} if coding else {}
    body = packed(coding, TOO_MUCH) if coding else TOO_MUCH
    answer = _asked_as_it_is_taken(doors, Row("", "/v1/chat/completions", body, headers=headers, door=door))
    assert (413, "false") == (answer.status, answer.headers["x-should-retry"])
    assert "limits.body_bytes" in answer.json["error"]["message"]
    assert answer.headers["x-request-id"]


def _asked_as_it_is_taken(doors: Doors, row: Row) -> Answer:
    """The answer may come before the whole body was sent, and the rest is then not taken any more."""
    place = urlsplit(doors.ollama if row.door == "ollama" else doors.native)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    try:
        connection.putrequest("POST", row.path)
        for name, value in ({"Content-Length": str(len(row.body))} | dict(row.headers)).items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.send(row.body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(("coding", "status"), [("gzip", 400), ("zstd", 400), ("br", 415)])
def test_a_body_that_cannot_be_unpacked(doors: Doors, coding: str, status: int) -> None:
    answer = Row("", "/api/chat", BODY, headers={"Content-Encoding": coding}).ask(doors)
    assert status == answer.status
    assert answer.json["error"]


@both_doors
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    ],
    ids=["no request", "no host", "a large head"],
)
def test_what_is_no_http_gets_a_request_id_that_the_log_has(
    doors: Doors, door: Literal["native", "ollama"], sent: bytes, status: int
) -> None:
    got = exchanged(getattr(doors, door), sent)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    request_id = got.lower().partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
    assert request_id in got.decode().partition("\r\n\r\n")[2]
    _in_the_log(doors, request_id)


@both_doors
def test_a_refusal_has_a_request_id_that_the_log_has(doors: Doors, door: Literal["native", "ollama"]) -> None:
    answer = Row("", "/v1/chat/completions", {"messages": []}, door=door).ask(doors)
    assert 400 == answer.status
    _in_the_log(doors, answer.headers["x-request-id"])


def _in_the_log(doors: Doors, request_id: str) -> None:
    """Lines are written in the background."""
    path, end = f"/v1/system/logs?requests=1&run_id={request_id}", time.monotonic() + 10
    while not (lines := Row("", path, door="native").ask(doors).json["lines"]):
        assert time.monotonic() < end, f"the log knows of no {request_id}"
        time.sleep(0.1)
    assert request_id == lines[0]["run_id"]


# Streams

STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": HI, "stream_options": {"include_usage": True}}),
    "completions": ("/v1/completions", {"prompt": HI[0]["content"], "stream_options": {"include_usage": True}}),
    "responses": ("/v1/responses", {"input": HI[0]["content"]}),
    "messages": ("/v1/messages", {"messages": HI, "max_tokens": 500}),
    "native": ("/v1/chat", {"message": HI[0]["content"]}),
}
SSE = [pytest.param(door, name, id=f"{door}: {name}") for name in STREAMS for door in ("native", "ollama")][:-1]


def streamed(doors: Doors, door: Any, name: str, *steps: list[Any], headers: Mapping[str, str] = {}) -> Answer:
    """A stream of one of the APIs; with `steps`, the model plays them."""
    path, body = STREAMS[name]
    if steps:
        said: Any = play(*steps)
        text = said[0]["content"]
        body = body | {
            key: said if key == "messages" else text
            for key in body
            if key in ("messages", "prompt", "input", "message")
        }
    return Row("", path, body | {"model": "thane:latest", "stream": True}, headers=headers, door=door).ask(doors)


@pytest.mark.parametrize(("door", "name"), SSE)
def test_no_proxy_is_to_hold_a_stream_back(doors: Doors, door: str, name: str) -> None:
    answer = streamed(doors, door, name)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert ("no", "no-cache") == (answer.headers["x-accel-buffering"], answer.headers["cache-control"])
    assert answer.headers["x-request-id"]


@pytest.mark.script
@pytest.mark.parametrize(("door", "name"), SSE)
def test_a_silent_model_does_not_make_a_stream_silent(doors: Doors, door: str, name: str) -> None:
    answer = streamed(doors, door, name, ["wait", PING_SECONDS * 3.5], ["say", ["Late."]])
    beat = "event: ping\n" if name == "messages" else ": ping\n"
    assert answer.text.count(beat) >= 2
    assert "Late." in answer.text
    assert answer.frames


@pytest.mark.script
def test_ollamas_lines_have_no_heartbeats(doors: Doors) -> None:
    body = {"model": "thane", "messages": play(["wait", PING_SECONDS * 3.5], ["say", ["Late."]])}
    lines = Row("", "/api/chat", body).ask(doors).lines
    assert ["Late.", ""] == [line["message"]["content"] for line in lines]


@both_doors
@pytest.mark.parametrize("name", ["chat", "completions"])
def test_usage_comes_last_and_only_there(doors: Doors, door: str, name: str) -> None:
    frames = streamed(doors, door, name).frames
    assert [] == frames[-1]["choices"]
    assert frames[-1]["usage"]["total_tokens"] > 0
    assert not any(frame.get("usage") for frame in frames[:-1])
    assert len({(frame["id"], frame["created"], frame["object"], frame["model"]) for frame in frames}) == 1


@pytest.mark.script
@both_doors
@pytest.mark.parametrize("name", ["chat", "completions"])
def test_a_failure_in_mid_stream_is_a_frame_without_choices(doors: Doors, door: str, name: str) -> None:
    answer = streamed(doors, door, name, *BREAKS)
    assert {"error"} == answer.frames[-1].keys()
    _tells(doors, answer, answer.frames[-1]["error"])
    assert "[DONE]" not in answer.text


@pytest.mark.script
@both_doors
def test_a_failure_in_mid_stream_is_a_failed_response(doors: Doors, door: str) -> None:
    answer = streamed(doors, door, "responses", *BREAKS)
    assert "response.failed" == answer.frames[-1]["type"]
    assert answer.frames[-1]["response"]["error"]["message"]
    assert "/etc/broken" not in answer.text


@pytest.mark.script
@both_doors
def test_a_failure_in_mid_stream_is_anthropics_error(doors: Doors, door: str) -> None:
    answer = streamed(doors, door, "messages", *BREAKS)
    assert "error" == answer.frames[-1]["type"]
    assert "\nevent: error\ndata: " in answer.text
    _tells(doors, answer, answer.frames[-1]["error"] | answer.frames[-1])


def _tells(doors: Doors, answer: Answer, error: Mapping[str, Any]) -> None:
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "/etc/broken" not in answer.text
    _in_the_log(doors, error["request_id"])


@pytest.mark.script
def test_a_failure_in_mid_stream_is_ollamas_error_line(doors: Doors) -> None:
    answer = Row("", "/api/chat", {"model": "thane", "messages": play(*BREAKS)}).ask(doors)
    assert {"error"} == answer.lines[-1].keys()
    assert not any(line.get("done") for line in answer.lines)
    assert "/etc/broken" not in answer.text


@pytest.mark.script
@pytest.mark.parametrize("client", ["Home Assistant", "Open WebUI"])
def test_clients_that_show_no_errors_are_told_in_the_answer(doors: Doors, client: str) -> None:
    messages = play(*BREAKS)
    if client == "Home Assistant":
        messages = [{"role": "system", "content": HOME_ASSISTANT}, *messages]
    headers = OPEN_WEBUI if client == "Open WebUI" else {}
    answer = Row("", "/api/chat", {"model": "thane", "messages": messages}, headers=headers).ask(doors)
    text = "".join(line["message"]["content"] for line in answer.lines)
    assert text.startswith("So far ")
    assert len(text) > len("So far ")
    assert answer.lines[-1]["done"] is True
    assert "/etc/broken" not in answer.text


@pytest.mark.script
def test_home_assistant_is_told_of_a_failure_before_the_first_word_too(doors: Doors) -> None:
    messages = [{"role": "system", "content": HOME_ASSISTANT}, *play(["status", 500, "broken"])]
    answer = Row("", "/api/chat", {"model": "thane", "messages": messages}).ask(doors)
    assert 200 == answer.status
    assert answer.lines[0]["message"]["content"]


@pytest.mark.script
@both_doors
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_failed_turn_is_not_to_be_sent_again(doors: Doors, door: Any, path: str) -> None:
    body = {"model": "thane", "messages": play(["status", 500, "broken"]), "max_tokens": 99}
    answer = Row("", path, body, door=door).ask(doors)
    assert 502 == answer.status
    assert "false" == answer.headers["x-should-retry"]
    assert answer.headers["x-request-id"]


# Names

NAMES = ("thane", "thane:latest", "Thane:LATEST", "THANE")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_name_is_echoed_as_it_was_sent(doors: Doors, path: str, stream: bool, name: str) -> None:
    said = {"messages": HI} if path == "/api/chat" else {"prompt": HI[0]["content"]}
    answer = Row("", path, said | {"model": name, "stream": stream}).ask(doors)
    assert {name} == {line["model"] for line in answer.lines}


@both_doors
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_name_is_echoed_as_it_was_sent_under_v1(doors: Doors, door: Any, stream: bool, name: str) -> None:
    answer = Row("", "/v1/chat/completions", CHAT | {"model": name, "stream": stream}, door=door).ask(doors)
    assert {name} == {each["model"] for each in (answer.frames if stream else [answer.json])}


# One port


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Generator[Doors]:
    """A Thane with one port, which stands for both."""
    folder = tmp_path_factory.mktemp("single")
    with places.running("embedded", Path(folder), {"ollama_api": {"port": 0}}) as thane:
        yield Doors(thane.native, thane.native)


@pytest.mark.parametrize(
    "row",
    [
        Row("version", "/api/version", holds=lambda a: "version" in a.json),
        Row("tags", "/api/tags", holds=lambda a: "thane:latest" in [each["model"] for each in a.json["models"]]),
        Row("show", "/api/show", {"model": "thane"}, holds=lambda a: a.json["model_info"]),
        Row("chat", "/api/chat", CHAT, holds=lambda a: "light" in a.json["message"]["content"]),
        Row("a stream", "/api/chat", CHAT | {"stream": True}, holds=lambda a: a.lines[-1]["done"]),
        Row("generate", "/api/generate", {"model": "thane"}, holds=lambda a: a.json["done_reason"] == "load"),
        Row("an error", "/api/chat", CHAT | {"model": "nope"}, 404, lambda a: "nope" in a.json["error"]),
        Row("chat completions", "/v1/chat/completions", CHAT, holds=lambda a: a.json["choices"]),
        Row("an error under v1", "/v1/chat/completions", {}, 400, lambda a: a.json["error"]["message"]),
        Row("the dashboard", "/", headers={"Accept": "text/html"}, holds=lambda a: b"<html" in a.body),
        Row("health", "/health/ready", holds=lambda a: a.json["status"]),
        Row("the loops", "/api/loops", holds=lambda a: isinstance(a.json, list)),
        Row(
            "the description",
            "/openapi.json",
            holds=lambda a: {"/api/chat", "/v1/chat", "/v1/chat/completions"} <= a.json["paths"].keys(),
        ),
    ],
    ids=lambda row: row.name,
)
def test_one_port_serves_both(row: Row, single: Doors) -> None:
    answer = row.ask(single)
    assert row.status == answer.status, answer.text[:500]
    assert row.holds(answer), answer.text[:500]
