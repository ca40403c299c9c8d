"""How the real program ends: by signals, by a client that hangs up, and by `kill -9` in the middle of its work."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import program
from tests.e2e.model_server import model_server
from tests.e2e.program import Program, fetch, wait_until
from tests.e2e.talking_model import LONG, MODEL, talking_model

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def slow_model() -> Iterator[str]:
    """A thousand words, 50 a second."""
    with model_server(tokens=1000, interval=0.02) as url:
        yield url


def settings(url: str, model: str = "fake", **more: Any) -> dict[str, Any]:
    return {"models": {"default": model, "ollama_url": url}, **more}


_links: list[socket.socket] = []


@pytest.fixture(autouse=True)
def closed_links() -> Iterator[None]:
    yield
    while _links:
        _links.pop().close()


def chat(thane: Program, text: str) -> socket.socket:
    """A socket on which a streamed answer begins to come."""
    port = int(thane.ollama.rpartition(":")[2])
    body = json.dumps({"model": "thane", "messages": [{"role": "user", "content": text}]}).encode()
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    _links.append(link)
    head = f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    link.sendall(head.encode() + body)
    return link


def read_until(link: socket.socket, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        data = link.recv(65536)
        if not data:
            break
        seen += data
    return seen


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def runs(thane: Program) -> list[dict[str, Any]]:
    return thane.get("/v1/runs")["recent"]


def test_a_client_that_hangs_up_ends_its_run_within_50_ms(tmp_path: Path, slow_model: str) -> None:
    with program.running(tmp_path, settings(slow_model)) as thane:
        for number in range(5):
            link = chat(thane, f"Tell me story {number}")
            read_until(link, b"tok5")
            link.close()
            gone = time.time()

            def recorded(title: str = f"Tell me story {number}") -> list[dict[str, Any]]:
                return [run for run in runs(thane) if run["title"] == title and run["state"] == "cancelled"]

            run = wait_until("it is recorded", recorded, pause=0.01)[0]
            assert epoch(run["started_at"]) + run["duration"] - gone < 0.05
            assert run["cancelled_by"] == "client"
            assert run["text"].strip().startswith("tok0")


def test_the_first_signal_lets_running_turns_finish(tmp_path: Path) -> None:
    with model_server(tokens=50, interval=0.02) as model, program.running(tmp_path, settings(model)) as thane:
        link = chat(thane, "Tell me a short story")
        read_until(link, b"tok5")
        thane.process.send_signal(signal.SIGTERM)
        answer = read_until(link, b'"done":true')
        assert b'"done":true' in answer
        assert thane.process.wait(10) == 0


def test_new_turns_are_refused_while_it_drains(tmp_path: Path, slow_model: str) -> None:
    with program.running(tmp_path, settings(slow_model, shutdown={"grace_seconds": 3})) as thane:
        link = chat(thane, "Tell me a story")
        read_until(link, b"tok5")
        thane.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError):
            late = chat(thane, "And another")
            if not read_until(late, b"\r\n\r\n"):
                raise ConnectionResetError
        assert thane.process.wait(10) == 0


def test_the_grace_ends_and_the_client_is_told(tmp_path: Path, slow_model: str) -> None:
    with program.running(tmp_path, settings(slow_model, shutdown={"grace_seconds": 0.5})) as thane:
        link = chat(thane, "Tell me a story")
        read_until(link, b"tok5")
        start = time.monotonic()
        thane.process.send_signal(signal.SIGINT)
        answer = read_until(link, b"shutting down")
        assert b'{"error":"The turn was stopped because Thane is shutting down."}' in answer
        assert thane.process.wait(10) == 0
        assert time.monotonic() - start < 3
    assert "cancelled" in {state for (state,) in query(thane.data, "select state from runs")}


def test_the_second_signal_ends_at_once(tmp_path: Path, slow_model: str) -> None:
    with program.running(tmp_path, settings(slow_model, shutdown={"grace_seconds": 60})) as thane:
        link = chat(thane, "Tell me a story")
        read_until(link, b"tok5")
        thane.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        start = time.monotonic()
        thane.process.send_signal(signal.SIGTERM)
        assert thane.process.wait(10) == 0
        assert time.monotonic() - start < 2


def test_a_client_that_does_not_read_cannot_hold_the_shutdown(tmp_path: Path) -> None:
    with (
        model_server(tokens=200_000, interval=0.0) as model,
        program.running(tmp_path, settings(model, shutdown={"grace_seconds": 0.5})) as thane,
    ):
        chat(thane, "Tell me everything")
        time.sleep(1)
        start = time.monotonic()
        thane.process.send_signal(signal.SIGTERM)
        assert thane.process.wait(20) == 0
        assert time.monotonic() - start < 5


def test_kill_9_amid_50_streams_loses_no_confirmed_turn(tmp_path: Path) -> None:
    confirmed: list[str] = []
    lock = threading.Lock()

    def client(thane: Program, number: int) -> None:
        for turn in range(100):
            text = f"Question {number}.{turn}"
            try:
                with chat(thane, text) as link:
                    answer = read_until(link, b'"done":true')
            except OSError:
                return
            if b'"done":true' not in answer:
                return
            with lock:
                confirmed.append(text)

    with model_server(tokens=20, interval=0.005) as model:
        with program.running(tmp_path, settings(model)) as thane:
            clients = [threading.Thread(target=client, args=(thane, number)) for number in range(50)]
            for each in clients:
                each.start()
            time.sleep(2)
            thane.process.kill()
            thane.process.wait()  # a busy machine takes its time over that
            for each in clients:
                each.join()
        assert len(confirmed) > 50
        with program.running(tmp_path, settings(model)) as thane:
            assert thane.get("/health")["status"] in ("healthy", "degraded")
    assert [("ok",)] == query(thane.data, "pragma integrity_check")
    rows = query(
        thane.data,
        "select m.content, count(*) from messages m join runs r on r.id = m.run_id "
        "where m.role = 'user' and r.state = 'done' group by m.content",
    )
    stored = dict(rows)
    assert dict.fromkeys(confirmed, 1) == {text: stored.get(text, 0) for text in confirmed}
    assert [] == query(thane.data, "select id from runs where state in ('queued', 'running')")


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    database = next(data.glob("*.db"))
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("way", ["hang up", "run", "loop", "parent", "conversation", "interrupt"])
def test_every_stop_ends_the_model_call_within_50_ms(tmp_path: Path, way: str) -> None:
    """Measured at the model's own socket. `LONG` in the question has it answer for 20 seconds."""
    when_busy = {"when_busy": {"api": "interrupt"}}
    with (
        talking_model() as model,
        program.running(tmp_path, settings(model.url, MODEL, conversations=when_busy)) as thane,
    ):
        link = chat(thane, f"A {LONG} story")
        read_until(link, b"word1")
        (run,) = thane.get("/v1/runs")["running"]
        loop = thane.get(f"/v1/loops/{run['loop_id']}")
        stops: dict[str, Callable[[], object]] = {
            "hang up": link.close,
            "run": lambda: fetch(f"{thane.native}/v1/runs/{run['run_id']}", method="DELETE"),
            "loop": lambda: fetch(f"{thane.native}/v1/loops/{loop['id']}", method="DELETE"),
            "parent": lambda: fetch(f"{thane.native}/v1/loops/{loop['parent_id']}", method="DELETE"),
            "conversation": lambda: fetch(f"{thane.native}/v1/conversations/{run['conversation_id']}", method="DELETE"),
            "interrupt": lambda: fetch(
                f"{thane.native}/v1/conversations/{run['conversation_id']}/messages", {"message": "What now?"}
            ),
        }
        stopped = time.time()
        stops[way]()
        ended = wait_until("the model is hung up on", lambda: model.turns[0].hung_up_at, seconds=5, pause=0.005)
        assert ended - stopped < 0.05
        wait_until("no run is left", lambda: not thane.get("/v1/runs")["running"])
