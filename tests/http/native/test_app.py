"""The native listener as a whole, its small routes, and its model list."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.http.scripted import Site, post, site
from thane.config.settings import AvailableModel, Models, Settings
from thane.http.vitals import spoken_duration
from thane.models.provider import ModelInfo

PROFILES = ["latest", "command", "trigger", "premium", "ops", "peer", "local", "openclaw"]
EMBEDDED = ModelInfo("embedded", "embedded")


async def get(place: Site, path: str) -> Any:
    answer = await place.native.ask("GET", path)
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    return answer.status, msgspec.json.decode(answer.body)


async def test_the_model_list_is_openais(autojump_clock: MockClock) -> None:
    async with site() as place:
        status, listed = await get(place, "/v1/models")
        one = await get(place, "/v1/models/thane:premium")
    assert (200, "list") == (status, listed["object"])
    assert [f"thane:{name}" for name in PROFILES] + ["embedded"] == [model["id"] for model in listed["data"]]
    assert {"id": "thane:premium", "object": "model", "created": 1_800_000_000, "owned_by": "thane"} == one[1]


async def test_models_of_providers_and_of_the_configuration_are_listed_once(autojump_clock: MockClock) -> None:
    settings = Settings(
        models=Models(default="Llama3:8b", available=(AvailableModel(name="llama3:8b"), AvailableModel(name="big")))
    )
    async with site(settings=settings, models=(EMBEDDED, ModelInfo("llama3:8b", "ollama"))) as place:
        _, listed = await get(place, "/v1/models")
    owned = {model["id"]: model["owned_by"] for model in listed["data"]}
    assert ["embedded", "llama3:8b", "big"] == list(owned)[8:]
    assert "ollama" == owned["llama3:8b"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "thane",
        "THANE",
        "thane:latest",
        "Thane:Premium",
        "thane:fast",
        "thane:unknown",
        "LLAMA3:8b",
        "tiny",
        "tiny:latest",
    ],
)
async def test_a_name_is_known_in_any_case_and_with_or_without_its_tag(name: str, autojump_clock: MockClock) -> None:
    models = (EMBEDDED, ModelInfo("llama3:8b", "ollama"), ModelInfo("tiny:latest", "ollama"))
    async with site(models=models) as place:
        body = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
        answer = await post(place.native, "/v1/chat/completions", body)
        assert (200, name) == (answer.status, place.turn.model)
        assert (name or "thane:latest") == msgspec.json.decode(answer.body)["model"]


@pytest.mark.parametrize("path", ["hf.co/someone/Model-GGUF:Q4_K_M", "hf.co%2Fsomeone%2FModel-GGUF%3AQ4_K_M"])
async def test_a_models_name_may_have_slashes_and_colons(path: str, autojump_clock: MockClock) -> None:
    name = "hf.co/someone/Model-GGUF:Q4_K_M"
    async with site(models=(EMBEDDED, ModelInfo(name, "ollama"))) as place:
        status, told = await get(place, f"/v1/models/{path}")
        missing, _ = await get(place, f"/v1/models/{path}x")
    assert (200, name, "ollama", 404) == (status, told["id"], told["owned_by"], missing)


@pytest.mark.parametrize(("path", "kind"), [("/v1/chat/completions", "not_found_error"), ("/v1/chat", "not_found")])
async def test_an_unknown_name_is_not_found(path: str, kind: str, autojump_clock: MockClock) -> None:
    body = {"model": "gpt-9", "message": "hi", "messages": [{"role": "user", "content": "hi"}]}
    async with site() as place:
        answer = await post(place.native, path, body)
        assert [] == place.conversations.turns
    error = msgspec.json.decode(answer.body)["error"]
    assert (404, "model 'gpt-9' not found", kind, "model_not_found") == (
        answer.status,
        error["message"],
        error["type"],
        error["code"],
    )
    assert "false" == answer.headers["x-should-retry"]


async def test_while_a_model_server_is_silent_its_names_are_taken_on_trust(autojump_clock: MockClock) -> None:
    body = {"model": "mystery:7b", "messages": [{"role": "user", "content": "hi"}]}
    async with site(settings=Settings(models=Models(default="llama3"))) as place:
        assert 200 == (await post(place.native, "/v1/chat/completions", body)).status
    async with site(
        settings=Settings(models=Models(default="a")), models=(EMBEDDED, ModelInfo("a", "ollama"))
    ) as place:
        assert 404 == (await post(place.native, "/v1/chat/completions", body)).status


async def test_the_version_tells_the_uptime(autojump_clock: MockClock) -> None:
    async with site() as place:
        await trio.sleep(3661)
        status, told = await get(place, "/v1/version")
    assert (200, "0.1.0", "abc", "1h1m1s") == (status, told["version"], told["git_commit"], told["uptime"])
    assert 3661 == pytest.approx(told["uptime_seconds"], abs=1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (12.9, "12s"), (301, "5m1s"), (13_320, "3h42m0s"), (90_000, "25h0m0s")]
)
def test_uptime_is_written_as_the_reference_does(seconds: float, text: str) -> None:
    assert text == spoken_duration(seconds)


async def test_health_follows_dependencies_and_readiness_the_shutdown(autojump_clock: MockClock) -> None:
    async with site() as place:
        assert (200, {"status": "healthy", "dependencies": {}}) == await get(place, "/health")
        place.rooms.health.mark("ollama", ready=False, error="refused")
        status, report = await get(place, "/health")
        assert (200, "degraded", False) == (status, report["status"], report["dependencies"]["ollama"]["ready"])
        assert (200, {"status": "ready"}) == await get(place, "/health/ready")
        place.rooms.health.draining = True
        assert (503, {"status": "draining"}) == await get(place, "/health/ready")
        assert (200, {"status": "live"}) == await get(place, "/health/live")
        assert (200, "draining") == ((await get(place, "/health"))[0], (await get(place, "/health"))[1]["status"])


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/nothing", "/ws/nothing"])
async def test_unknown_paths_are_not_found_in_json(path: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        status, told = await get(place, path)
    assert (404, "not_found") == (status, told["error"]["type"])


async def test_every_answer_has_an_id(autojump_clock: MockClock) -> None:
    async with site() as place:
        ids = [
            (await place.native.ask(method, path)).headers["x-request-id"]
            for method, path in [
                ("GET", "/health"),
                ("GET", "/v1/nothing"),
                ("DELETE", "/health"),
                ("POST", "/v1/chat"),
            ]
        ]
    assert 4 == len(set(ids))
    assert all(each.startswith("r_") for each in ids)


async def test_there_is_a_dashboard(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.native.ask("GET", "/static/thane.css")
    assert 200 == answer.status
