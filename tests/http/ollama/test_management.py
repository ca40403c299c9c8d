"""Managing models: refused on the Ollama listener, in JSON and in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import post, site

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/push", {"model": "thane"}, 501, "Thane pushes no models: push from the model server"),
        ("POST", "/api/push", {}, 400, "model is required"),
        ("POST", "/api/create", {"name": "mine", "from": "thane"}, 501, "Thane creates no models: create them on"),
        ("POST", "/api/create", {"model": "my model"}, 400, "invalid model name"),
        ("POST", "/api/copy", {"source": "thane", "destination": "x"}, 501, "Thane copies no models: copy them on"),
        ("POST", "/api/copy", {"destination": "x"}, 400, "source is required"),
        ("POST", "/api/copy", {"source": "nope", "destination": "x"}, 404, 'model "nope" not found'),
        ("DELETE", "/api/delete", {"name": "thane:latest"}, 501, "Thane deletes no models: delete them on"),
        ("DELETE", "/api/delete", {"model": "nope"}, 404, "model 'nope' not found"),
        ("DELETE", "/api/delete", {}, 400, "model is required"),
        ("DELETE", "/api/delete", None, 400, "missing request body"),
        ("POST", f"/api/blobs/{DIGEST}", None, 501, "Thane keeps no files of models: create models on"),
        ("POST", "/api/blobs/sha256:x", None, 400, "invalid digest format"),
    ],
)
async def test_models_are_managed_elsewhere(
    method: str, path: str, body: Any, status: int, words: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        sent = b"" if body is None else msgspec.json.encode(body)
        answer = await place.ollama.ask(method, path, sent)
    told = msgspec.json.decode(answer.body)
    assert (status, ["error"]) == (answer.status, list(told))
    assert told["error"].startswith(words)
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    assert "false" == answer.headers["x-should-retry"]


async def test_no_blob_is_there(autojump_clock: MockClock) -> None:
    async with site() as place:
        there = await place.ollama.ask("HEAD", f"/api/blobs/{DIGEST}")
        malformed = await place.ollama.ask("HEAD", "/api/blobs/x")
    assert (404, b"") == (there.status, there.body)
    assert 400 == malformed.status


async def test_the_cloud_is_off(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.ollama.ask("GET", "/api/status")
    assert {"cloud": {"disabled": True, "source": "config"}} == msgspec.json.decode(answer.body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/me"),
        ("POST", "/api/signout"),
        ("DELETE", "/api/user/keys/abc"),
        ("POST", "/api/experimental/web_search"),
        ("POST", "/api/experimental/web_fetch"),
    ],
)
async def test_what_needs_the_cloud_is_refused_as_ollama_does(
    method: str, path: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await place.ollama.ask(method, path)
    assert (403, "false") == (answer.status, answer.headers["x-should-retry"])
    assert msgspec.json.decode(answer.body)["error"].startswith("ollama cloud is disabled: ")


async def test_no_models_are_recommended(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.ollama.ask("GET", "/api/experimental/model-recommendations")
    assert {"recommendations": []} == msgspec.json.decode(answer.body)


@pytest.mark.parametrize("name", ["my model", "a/b/c/d", ":latest", "-x", "ä", "m:" + "x" * 81])
async def test_what_is_no_name_is_400(name: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        for path in ("/api/show", "/api/pull", "/api/chat", "/api/generate"):
            answer = await post(place.ollama, path, {"model": name})
            assert (400, {"error": "invalid model name"}) == (answer.status, msgspec.json.decode(answer.body))


@pytest.mark.parametrize("name", ["x", "x:1b", "library/x", "hf.co/some/x:Q4_K_M", "localhost:5000/some/x", "x:cloud"])
async def test_a_name_that_nobody_knows_is_404(name: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        for path in ("/api/show", "/api/chat", "/api/generate"):
            answer = await post(place.ollama, path, {"model": name})
            assert (404, {"error": f"model '{name}' not found"}) == (answer.status, msgspec.json.decode(answer.body))
