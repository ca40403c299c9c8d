"""Thane with a real model server of somebody else's: streams, counts and cancelling hold."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.e2e import llama_cpp
from tests.e2e.program import Program, fetch, running, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with llama_cpp.running(tmp_path_factory.mktemp("llama-cpp")) as url:
        yield url


@pytest.fixture(scope="module")
def thane(server: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Program]:
    provider = {"name": "llama", "type": "openai", "url": server}
    models = {"default": llama_cpp.MODEL, "providers": [provider]}
    with running(tmp_path_factory.mktemp("thane"), {"models": models, "demo": {"enabled": False}}) as program:
        wait_until("the model is known", lambda: llama_cpp.MODEL in str(program.get("/v1/models")))
        yield program


def body(text: str, tokens: int, **more: Any) -> dict[str, Any]:
    return {
        "model": "thane:latest",
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


def open_stream(thane: Program, asked: dict[str, Any]) -> socket.socket:
    """A socket on which a streamed answer will come."""
    port = int(thane.native.rpartition(":")[2])
    data = json.dumps(asked | {"stream": True, "stream_options": {"include_usage": True}}).encode()
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(data)}\r\n"
    link.sendall(f"{head}Connection: close\r\n\r\n".encode() + data)
    return link


def events(link: socket.socket) -> list[Any]:
    """The events of a whole answer."""
    data = b""
    while piece := link.recv(65_536):
        data += piece
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def test_a_stream_comes_in_pieces_and_is_counted(thane: Program, server: str) -> None:
    with closing(open_stream(thane, body("tell me something", 25))) as link:
        chunks = events(link)
    texts = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert len([text for text in texts if text]) > 5
    usage = next(chunk["usage"] for chunk in chunks if chunk.get("usage"))
    assert 25 == usage["completion_tokens"]
    assert "length" in {choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]}
    run = thane.get("/v1/runs")["recent"][0]
    assert ("done", "".join(texts), llama_cpp.MODEL) == (run["state"], run["text"], run["model"])


def test_an_answer_in_one_piece_over_ollamas_protocol(thane: Program) -> None:
    asked = {
        "model": "thane:latest",
        "stream": False,
        "messages": [{"role": "user", "content": "and something else"}],
        "options": {"num_predict": 10},
    }
    answer = fetch(f"{thane.ollama}/api/chat", asked)
    assert (True, 10, "length") == (answer["done"], answer["eval_count"], answer["done_reason"])
    assert answer["message"]["content"].strip()


def test_hanging_up_frees_the_model_server(thane: Program, server: str) -> None:
    asked = body("go on for ever", 60_000)
    link = open_stream(thane, asked)
    with closing(link):
        seen = b""
        while seen.count(b"content") < 5:
            seen += link.recv(65_536)
        (run,) = thane.get("/v1/runs")["running"]
    wait_until(
        "the run is cancelled", lambda: thane.get(f"/v1/runs/{run['run_id']}")["state"] == "cancelled", seconds=5
    )
    began = time.monotonic()  # the server answers one at a time: it is free when it answers another
    direct = fetch(f"{server}/chat/completions", {**body("hi", 3), "model": llama_cpp.MODEL})
    assert 3 == direct["usage"]["completion_tokens"]
    assert time.monotonic() - began < 5
    assert not thane.get("/v1/runs")["running"]


def test_stopping_a_run_over_the_api_frees_it_too(thane: Program, server: str) -> None:
    with closing(open_stream(thane, body("once more", 60_000))) as link:
        while b"content" not in link.recv(65_536):
            pass
        (run,) = thane.get("/v1/runs")["running"]
        fetch(f"{thane.native}/v1/runs/{run['run_id']}", method="DELETE")
        events(link)
    direct = fetch(f"{server}/chat/completions", {**body("hi", 3), "model": llama_cpp.MODEL}, timeout=5)
    assert 3 == direct["usage"]["completion_tokens"]


def test_a_prompt_that_is_too_long_is_an_error_and_no_answer(thane: Program) -> None:
    with pytest.raises(HTTPError) as caught:
        fetch(f"{thane.native}/v1/chat/completions", body("word " * 20_000, 5))
    told = json.loads(caught.value.read())["error"]["message"]
    assert told.startswith("The model server")  # this one begins to stream, then ends without a word of why


def test_embeddings_are_made_and_counted_at_both_doors(tmp_path_factory: pytest.TempPathFactory) -> None:
    with llama_cpp.running(tmp_path_factory.mktemp("embedding"), embedding=True) as url:
        direct = fetch(f"{url}/embeddings", {"model": llama_cpp.MODEL, "input": ["one", "a longer text"]})
        settings = {
            "models": {"providers": [{"name": "llama", "type": "openai", "url": url}]},
            "embeddings": {"enabled": True, "model": llama_cpp.MODEL, "provider": "llama"},
            "demo": {"enabled": False},
        }
        with running(tmp_path_factory.mktemp("thane"), settings) as program:
            asked = {"model": "thane", "input": ["one", "a longer text"]}
            ours = fetch(f"{program.native}/v1/embeddings", asked)
            ollamas = fetch(f"{program.ollama}/api/embed", asked)
            usage = program.get("/v1/telemetry/usage?group_by=role")
    for index, vector in enumerate(ollamas["embeddings"]):
        assert pytest.approx(ours["data"][index]["embedding"], abs=1e-6) == vector
        assert pytest.approx(1) == sum(each * each for each in vector)
        told = direct["data"][index]["embedding"]
        length = sum(each * each for each in told) ** 0.5
        assert pytest.approx([each / length for each in told], abs=1e-4) == vector
    (group,) = usage["groups"]
    assert ("embedding", 2, 2 * direct["usage"]["prompt_tokens"]) == (
        *(group[name] for name in ("role", "requests", "input_tokens")),
    )
