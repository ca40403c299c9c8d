from __future__ import annotations

import signal
import sys
from functools import partial
from subprocess import PIPE
from typing import Any

import httpx2
import msgspec
import pytest
import trio
import trio.testing

from thane.models.http import TrioTransport
from thane.testing.fake_ollama import FakeModel, FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Call, Cut, Raw, Reply, Say, Stop, Think, answer, tool_call


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=TrioTransport(connections=4, keep_alive_seconds=60))


async def chat(fake: FakeOllama) -> list[dict[str, Any]]:
    async with client() as asking:
        response = await asking.post(f"{fake.url}/api/chat", json={"model": "qwen3:4b", "messages": []})
        return [msgspec.json.decode(line) for line in response.content.splitlines()]


async def test_it_says_its_script_in_order_and_then_the_default():
    async with open_fake_ollama(answer("default")) as fake:
        fake.script(answer("a", "b"), tool_call("turn_on", name="Lamp"))
        one, two, three, four = [await chat(fake) for _ in range(4)]
        assert ["a", "b", ""] == [line["message"]["content"] for line in one]
        assert {"index": 0, "name": "turn_on", "arguments": {"name": "Lamp"}} == two[0]["message"]["tool_calls"][0][
            "function"
        ]
        assert "default" == three[0]["message"]["content"] == four[0]["message"]["content"]
        assert [False, False, True] == [line["done"] for line in one]


async def test_every_line_has_the_fields_of_ollamas():
    reply = Reply((Think(("Hm",)), Say(("a",)), Call((("f", {}),), ("call_1",)), Stop("length", None, 2)))
    async with open_fake_ollama(reply) as fake:
        lines = await chat(fake)
    assert all({"model", "created_at", "message", "done"} <= set(line) for line in lines)
    assert "Hm" == lines[0]["message"]["thinking"]
    assert "call_1" == lines[2]["message"]["tool_calls"][0]["id"]
    assert ("length", 2) == (lines[3]["done_reason"], lines[3]["eval_count"])
    assert "prompt_eval_count" not in lines[3]


async def test_it_answers_the_small_routes():
    models = (FakeModel("tiny:1b", 2048, ("completion",)),)
    async with open_fake_ollama(models=models) as fake, client() as asking:
        assert "Ollama is running" == (await asking.get(fake.url)).text
        assert "version" in (await asking.get(f"{fake.url}/api/version")).json()
        assert "tiny:1b" == (await asking.get(f"{fake.url}/api/tags")).json()["models"][0]["model"]
        shown = await asking.post(f"{fake.url}/api/show", json={"model": "tiny:1b"})
        assert ["completion"] == shown.json()["capabilities"]
        assert 404 == (await asking.post(f"{fake.url}/api/show", json={"model": "other"})).status_code
        assert 404 == (await asking.get(f"{fake.url}/api/nothing")).status_code


async def test_it_records_requests_and_when_connections_close():
    async with open_fake_ollama() as fake:
        await chat(fake)
        await fake.wait_until(lambda: fake.live == 0)
        (request,) = fake.requests
        assert ("POST", "/api/chat", "qwen3:4b") == (request.method, request.path, request.body["model"])
        assert "application/json" == request.headers["content-type"]
        assert request.connection.closed_at is not None
        assert request.connection.closed_at >= request.at >= request.connection.opened_at


async def test_errors_and_cuts_come_as_scripted():
    async with open_fake_ollama() as fake:
        fake.script(Reply(status=429, error="busy"))
        assert [{"error": "busy"}] == await chat(fake)
        for reply in (Reply(cut_before_head=True), Reply((Say(("a",)), Cut())), Reply((Raw(b"{}\n"), Cut()))):
            fake.script(reply)
            with pytest.raises(httpx2.RemoteProtocolError):
                await chat(fake)


async def test_the_pace_is_kept_without_drift(autojump_clock: trio.testing.MockClock):
    fake = FakeOllama(Reply((Say(("x",) * 11, 0.1), Stop())))
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fake.serve, theirs)
        await ours.send_all(b'POST /api/chat HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"model":"m"}')
        received = b""
        while b"0\r\n\r\n" not in received:
            received += await ours.receive_some()
        assert 1.0 == pytest.approx(trio.current_time())
        nursery.cancel_scope.cancel()


async def test_it_runs_as_a_program():
    command = [sys.executable, "-m", "thane.testing.fake_ollama", "--tokens", "5"]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(partial(trio.run_process, command, stdout=PIPE, check=False))
        assert process.stdout is not None
        url = (await process.stdout.receive_some(200)).decode().strip()
        async with client() as asking:
            response = await asking.post(f"{url}/api/chat", json={"model": "any"})
            assert 6 == len(response.content.splitlines())
        process.send_signal(signal.SIGINT)
        assert 0 == await process.wait()


async def test_without_a_record_it_still_tells_of_its_models() -> None:
    async with open_fake_ollama(record=False) as fake:
        for model in ("qwen3:4b", "none"):
            body = msgspec.json.encode({"model": model})
            stream = await trio.open_tcp_stream("127.0.0.1", fake.port)
            head = f"POST /api/show HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            await stream.send_all(head + body)
            answer = await stream.receive_some()
            assert (b"200 OK" if model != "none" else b"404") in answer
            await stream.aclose()
