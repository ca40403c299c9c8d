"""The whole tree in one process: it starts, serves, drains at a signal, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import msgspec
import pytest
import trio
import trio.testing

from thane import service
from thane.clock import SystemClock
from thane.config import settings
from thane.config.load import Loaded
from thane.conversations.checkpointer import Checkpointer
from thane.errors import ConfigurationError
from thane.events.bus import EventBus
from thane.http.ollama import app as ollama_app
from thane.http.rooms import Rooms
from thane.testing.fake_ollama import FakeModel, open_fake_ollama

pytestmark = pytest.mark.usefixtures("process_as_before")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, **more: Any) -> settings.Settings:
    return settings.Settings(
        listen=settings.Listen(port=free_port()),
        ollama_api=settings.OllamaApi(port=free_port()),
        data_dir=str(folder),
        logging=settings.Logging(level="error"),
        supervisor=settings.Supervisor(backoff_initial_seconds=0.01),
        **more,
    )


@asynccontextmanager
async def serving(chosen: settings.Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    """Thane in this process, and a client for it. It is stopped by SIGTERM and must return."""
    async with trio.open_nursery() as nursery, httpx2.AsyncClient(trust_env=False) as client:
        nursery.start_soon(service.serve, Loaded(chosen))  # noqa: ASYNC113 waited for by asking it
        with trio.fail_after(20):
            await answers(client, f"http://127.0.0.1:{chosen.listen.port}/health")
            yield client
            os.kill(os.getpid(), signal.SIGTERM)


async def answers(client: httpx2.AsyncClient, url: str) -> httpx2.Response:
    """The first answer from a server that is still starting."""
    while True:
        try:
            return await client.get(url)
        except httpx2.ConnectError:
            await trio.sleep(0.01)


async def becomes(status: str, client: httpx2.AsyncClient, native: str) -> None:
    """Wait until Thane's health is that."""
    with trio.fail_after(10):
        while True:
            if status == (await client.get(f"{native}/health")).json()["status"]:
                return
            await trio.sleep(0.01)


async def test_it_answers_on_both_ports_and_ends_at_a_signal(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    async with serving(chosen) as client:
        dashboard = await client.get(f"http://127.0.0.1:{chosen.listen.port}/")
        tags = await answers(client, f"http://127.0.0.1:{chosen.ollama_api.port}/api/tags")
        assert "thane" in dashboard.text
        assert "thane:latest" in [model["name"] for model in tags.json()["models"]]
    with socket.socket() as again:
        again.bind(("127.0.0.1", chosen.listen.port))


async def test_what_was_said_and_told_is_there_after_a_restart(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    native = f"http://127.0.0.1:{chosen.listen.port}"
    async with serving(chosen) as client:
        said = (await client.post(f"{native}/v1/chat", json={"message": "hello"})).json()
    async with serving(chosen) as client:
        known = (await client.get(f"{native}/v1/conversations/{said['conversation_id']}")).json()
        log = (await client.get(f"{native}/v1/events/log?source=system")).json()
    assert ["hello", said["response"]] == [message["content"] for message in known["messages"]]
    kinds = [event["kind"] for event in log["events"]]
    assert ["started", "draining", "checkpoint_created", "stopped", "started"] == [
        kind for kind in kinds if kind != "request_refused"
    ]


async def counters_once_asked(client: httpx2.AsyncClient, native: str) -> dict[str, Any]:
    """The counters, once the model server has told what it has."""
    with trio.fail_after(10):
        while True:
            counted = (await client.get(f"{native}/v1/system")).json()["statistics"]
            if counted["catalogue"]["models"] > 1:
                return counted
            await trio.sleep(0.01)


async def test_every_long_lived_part_has_its_counters(tmp_path: Path) -> None:
    async with open_fake_ollama(models=(FakeModel("qwen3:4b"),)) as fake:
        chosen = configured(tmp_path, models=settings.Models(default="qwen3:4b", ollama_url=fake.url))
        native = f"http://127.0.0.1:{chosen.listen.port}"
        async with serving(chosen) as client:
            await answers(client, f"http://127.0.0.1:{chosen.ollama_api.port}/api/tags")
            counted = await counters_once_asked(client, native)
    assert {"native", "ollama"} == set(counted["listeners"])
    assert counted["listeners"]["ollama"]["requests"] >= 1
    assert {"ollama": {"running": 0, "waiting": 0}} == counted["providers"]
    assert {"providers": 2, "models": 2, "local": 2} == counted["catalogue"]


async def test_the_start_names_the_model_that_is_configured_without_being_the_default(tmp_path: Path) -> None:
    available = (settings.AvailableModel(name="gpt-oss", provider="ollama"),)
    chosen = configured(tmp_path, models=settings.Models(available=available, ollama_url="http://127.0.0.1:9"))
    native = f"http://127.0.0.1:{chosen.listen.port}"
    async with serving(chosen) as client:
        told = (await client.get(f"{native}/v1/events/log?source=system")).json()["events"]
        assert ["gpt-oss"] == [each["data"]["provider"] for each in told if each["kind"] == "started"]


async def test_the_ollama_api_may_share_the_native_port(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    alone = msgspec.structs.replace(chosen, ollama_api=settings.OllamaApi(port=0))
    native = f"http://127.0.0.1:{chosen.listen.port}"
    async with serving(alone) as client:
        tags = (await client.get(f"{native}/api/tags")).json()
        dashboard = await client.get(f"{native}/")
        started = (await client.get(f"{native}/v1/events/log?kind=started")).json()
    assert "thane:latest" in [model["name"] for model in tags["models"]]
    assert "<html" in dashboard.text
    assert native == started["events"][0]["data"]["ollama_url"]


@pytest.mark.parametrize("embeddings", [False, True])
async def test_it_never_takes_the_place_of_its_own_model_server(tmp_path: Path, embeddings: bool) -> None:
    chosen = configured(tmp_path)
    theirs = f"http://localhost:{chosen.ollama_api.port}"
    if embeddings:
        chosen = msgspec.structs.replace(chosen, embeddings=settings.Embeddings(enabled=True, baseurl=theirs))
    else:
        chosen = msgspec.structs.replace(chosen, models=settings.Models(default="m", ollama_url=theirs))
    native = f"http://127.0.0.1:{chosen.listen.port}"
    async with serving(chosen) as client:
        started = (await client.get(f"{native}/v1/events/log?kind=started")).json()["events"][0]["data"]
        with pytest.raises(httpx2.ConnectError):
            await client.get(theirs)
    assert started["ollama_url"].startswith("http://127.0.0.1:")
    assert not started["ollama_url"].endswith(f":{chosen.ollama_api.port}")


async def test_a_model_server_that_comes_up_later_has_its_models_on_offer_once_it_is_healthy(tmp_path: Path) -> None:
    port = free_port()
    chosen = configured(
        tmp_path,
        models=settings.Models(default="qwen3:4b", ollama_url=f"http://127.0.0.1:{port}", connect_tries=1),
        health=settings.Health(retry_initial_seconds=0.05, interval_seconds=0.1),
    )
    native = f"http://127.0.0.1:{chosen.listen.port}"
    async with serving(chosen) as client:
        await becomes("degraded", client, native)
        async with open_fake_ollama(models=(FakeModel("late:1b"),), port=port):
            await becomes("healthy", client, native)
            offered = (await client.get(f"{native}/v1/models")).json()["data"]
    assert "late:1b" in [model["id"] for model in offered]


async def test_it_refuses_to_be_its_own_model_server_on_the_native_port(tmp_path: Path) -> None:
    port = free_port()
    chosen = settings.Settings(
        listen=settings.Listen(port=port),
        ollama_api=settings.OllamaApi(port=0),
        data_dir=str(tmp_path),
        models=settings.Models(default="m", ollama_url=f"http://localhost:{port}"),
        logging=settings.Logging(level="error"),
    )
    wanted = pytest.RaisesExc(ConfigurationError, match=f"port {port} is Thane's own")
    with pytest.RaisesGroup(wanted, flatten_subgroups=True):
        await service.serve(Loaded(chosen))


async def test_embeddings_come_from_their_own_model_server(tmp_path: Path) -> None:
    async with open_fake_ollama(models=(FakeModel("nomic-embed-text", 2048, ("embedding",)),)) as fake:
        chosen = configured(tmp_path, embeddings=settings.Embeddings(enabled=True, baseurl=fake.url))
        ollama = f"http://127.0.0.1:{chosen.ollama_api.port}"
        async with serving(chosen) as client:
            await answers(client, f"{ollama}/api/version")
            made = (await client.post(f"{ollama}/api/embed", json={"model": "thane", "input": "one"})).json()
            listed = (await client.get(f"{ollama}/api/tags")).json()
        assert ["/api/embed"] == [request.path for request in fake.requests]
    assert 3 == len(made["embeddings"][0])
    assert "nomic-embed-text" not in [model["name"] for model in listed["models"]]  # it answers no turns


async def test_without_the_ollama_api_there_is_one_port(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    alone = settings.OllamaApi(enabled=False, port=chosen.ollama_api.port)
    chosen = settings.Settings(listen=chosen.listen, ollama_api=alone, data_dir=str(tmp_path), logging=chosen.logging)
    async with serving(chosen) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"http://127.0.0.1:{alone.port}/api/tags")


@contextmanager
def crashing_once(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str]]:
    """Make the Ollama listener fail the first time that it is built."""
    tries: list[str] = []

    def build(rooms: Rooms) -> Any:
        tries.append("built")
        if len(tries) == 1:
            raise RuntimeError("the first try fails")
        return ollama_app.build_ollama(rooms)

    monkeypatch.setattr(service, "build_ollama", build)
    yield tries


async def test_a_branch_that_crashes_is_told_and_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = configured(tmp_path)
    with crashing_once(monkeypatch) as tries:
        async with serving(chosen) as client:
            version = await client.get(f"http://127.0.0.1:{chosen.ollama_api.port}/api/version", timeout=10)
            assert version.status_code == 200
            log = await client.get(f"http://127.0.0.1:{chosen.listen.port}/v1/events/log?kind=branch_crashed")
    assert len(tries) == 2
    assert ["ollama listener"] == [event["data"]["branch"] for event in log.json()["events"]]


async def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", chosen.listen.port))
        other.listen()
        with pytest.RaisesGroup(ConfigurationError, flatten_subgroups=True) as caught:
            await service.serve(Loaded(chosen))
    assert f"port {chosen.listen.port} on 127.0.0.1 is taken" in str(caught.value.exceptions[0])


async def test_off_loopback_without_a_key_is_refused(tmp_path: Path) -> None:
    chosen = settings.Settings(listen=settings.Listen(address="192.0.2.1", port=0), data_dir=str(tmp_path))
    with pytest.RaisesGroup(ConfigurationError, flatten_subgroups=True) as caught:
        await service.serve(Loaded(chosen))
    assert "no key is set" in str(caught.value.exceptions[0])


async def test_two_on_one_database_is_refused(tmp_path: Path) -> None:
    chosen = configured(tmp_path)
    async with serving(chosen):
        second = configured(tmp_path)
        with pytest.RaisesGroup(ConfigurationError, flatten_subgroups=True):
            await service.serve(Loaded(second))


async def test_a_failover_asks_for_a_checkpoint() -> None:
    asked: list[str] = []
    bus = EventBus(settings.Events(), SystemClock())
    checkpointer = cast("Checkpointer", SimpleNamespace(soon=asked.append))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.note_failovers, bus, checkpointer)
        await trio.testing.wait_all_tasks_blocked()
        bus.publish("agent", "llm_retry", run_id="r_1")
        bus.publish("agent", "llm_fallback", run_id="r_1")
        await trio.testing.wait_all_tasks_blocked()
        assert ["pre-failover"] == asked
        nursery.cancel_scope.cancel()


_TURNS = (
    ("native", "/v1/chat", {"message": "hello"}),
    ("native", "/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
    ("native", "/v1/responses", {"input": "hello"}),
    ("native", "/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}),
    ("ollama", "/api/chat", {"messages": [{"role": "user", "content": "hello"}]}),
    ("ollama", "/api/generate", {"prompt": "hello"}),
)


def sentence(answer: dict[str, Any]) -> str:
    """What is said in the form of any protocol's error."""
    error = answer["error"]
    return error if isinstance(error, str) else error["message"]


async def test_with_a_full_disk_every_protocol_refuses_before_a_model_is_asked_and_all_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [1_000]

    def free_bytes(_folder: Path) -> int:
        return free[0]

    monkeypatch.setattr("thane.storage.room._free_bytes", free_bytes)
    async with open_fake_ollama(models=(FakeModel("qwen3:4b"),)) as fake:
        chosen = configured(
            tmp_path,
            models=settings.Models(default="qwen3:4b", ollama_url=fake.url),
            storage=settings.Storage(room_seconds=0.05),
        )
        doors = {"native": chosen.listen.port, "ollama": chosen.ollama_api.port}
        native = f"http://127.0.0.1:{chosen.listen.port}"
        async with serving(chosen) as client:
            await answers(client, f"http://127.0.0.1:{chosen.ollama_api.port}/api/tags")
            for door, path, body in _TURNS:
                refused = await client.post(f"http://127.0.0.1:{doors[door]}{path}", json={"model": "thane"} | body)
                assert (503, "1") == (refused.status_code, refused.headers["Retry-After"]), path
                assert "Free some room" in sentence(refused.json()), path
            health = (await client.get(f"{native}/health")).json()
            assert ("degraded", False) == (health["status"], health["dependencies"]["database"]["ready"])
            ready = await client.get(f"{native}/health/ready")
            assert (503, "storage_full") == (ready.status_code, ready.json()["status"])
            assert "Cannot be stored" in (await client.get(native)).text
            assert not [each for each in fake.requests if each.path in ("/api/chat", "/api/generate")]

            free[0] = 10**12
            await becomes("healthy", client, native)
            said = await client.post(f"{native}/v1/chat", json={"message": "hello"})
            assert 200 == said.status_code
            log = (await client.get(f"{native}/v1/events/log?source=health")).json()
    assert ["storage_full", "storage_ready"] == [e["kind"] for e in log["events"] if e["kind"].startswith("storage_")]
