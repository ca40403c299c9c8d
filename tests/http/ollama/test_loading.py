"""Loading and unloading: passed on to the model server that has the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.http.ollama.model_server import MODELS, open_embedder
from tests.http.scripted import Site, post, site
from thane.config.settings import Models, Settings
from thane.models.provider import ModelInfo
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama

DEFAULT = Settings(models=Models(default="qwen3:4b"))
KNOWN = (ModelInfo("embedded", "embedded"), ModelInfo("qwen3:4b", "ollama"), ModelInfo("gone", "ollama"))


@asynccontextmanager
async def with_server(settings: Settings | None = None) -> AsyncGenerator[tuple[Site, FakeOllama]]:
    async with (
        open_fake_ollama(models=MODELS) as fake,
        open_embedder(fake) as provider,
        site(settings=settings, models=KNOWN, provider=provider) as place,
    ):
        yield place, fake


LOADED = {"options": {"num_ctx": 8192}}
"""With the context of a turn, so that the turn need not have it loaded again."""


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("body", "asked", "reason"),
    [
        ({"model": "QWEN3:4B"}, LOADED, "load"),
        ({"model": "qwen3:4b", "keep_alive": 0, "prompt": ""}, {"keep_alive": 0}, "unload"),
        ({"model": "qwen3:4b", "keep_alive": "0s", "messages": []}, {"keep_alive": 0}, "unload"),
        ({"model": "thane", "keep_alive": "5m"}, LOADED | {"keep_alive": 300}, "load"),
        ({"model": "thane:premium", "keep_alive": -1.0}, LOADED | {"keep_alive": -1}, "load"),
        ({"model": "thane", "keep_alive": 0.5}, LOADED | {"keep_alive": 0.5}, "load"),
        ({"model": "thane", "options": {"num_ctx": 8192.0}}, {"options": {"num_ctx": 8192}}, "load"),
    ],
)
async def test_it_reaches_the_model_server(path: str, body: dict[str, Any], asked: dict[str, Any], reason: str) -> None:
    async with with_server(DEFAULT) as (place, fake):
        answer = await post(place.ollama, path, body | {"stream": True})
        (request,) = fake.requests
    told = msgspec.json.decode(answer.body)
    assert (200, body["model"], True, reason) == (answer.status, told["model"], told["done"], told["done_reason"])
    assert ("/api/generate", {"model": "qwen3:4b", "stream": False} | asked) == (request.path, request.body)


async def test_without_a_default_model_a_profile_is_always_ready() -> None:
    async with with_server() as (place, fake):
        assert 200 == (await post(place.ollama, "/api/chat", {"model": "thane"})).status
        assert 200 == (await post(place.ollama, "/api/chat", {"model": "embedded"})).status
    assert [] == fake.requests


async def test_what_the_model_server_lost_is_not_found() -> None:
    async with with_server(DEFAULT) as (place, _):
        answer = await post(place.ollama, "/api/generate", {"model": "gone"})
    assert (404, {"error": "model 'gone' not found"}) == (answer.status, msgspec.json.decode(answer.body))


async def test_a_model_server_that_fails_is_said_so() -> None:
    async with with_server(DEFAULT) as (place, fake):
        fake.models = ()
        fake.pause = 0.01  # then it hangs up
        answer = await post(place.ollama, "/api/chat", {"model": "qwen3:4b", "keep_alive": 0})
    assert 503 == answer.status
    assert ["error"] == list(msgspec.json.decode(answer.body))
