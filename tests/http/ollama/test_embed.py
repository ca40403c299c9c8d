"""`/api/embed` and `/api/embeddings` on the Ollama listener."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from tests.http.ollama.model_server import MODELS, open_embedder
from tests.http.scripted import Site, post, site
from thane.config.settings import Embeddings, Limits, Settings
from thane.models.carried import CarriedEmbedder
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.serving import request

CONFIGURED = Settings(embeddings=Embeddings(enabled=True))


@asynccontextmanager
async def with_server(settings: Settings | None = None) -> AsyncGenerator[tuple[Site, FakeOllama]]:
    async with (
        open_fake_ollama(models=MODELS) as fake,
        open_embedder(fake) as embedder,
        site(settings=settings, embedder=embedder) as place,
    ):
        yield place, fake


def embedding(model: str = "nomic-embed-text", **more: object) -> dict[str, object]:
    return {"model": model} | more


async def told(place: Site, path: str, body: object) -> tuple[int, Any]:
    answer = await post(place.ollama, path, body)
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    return answer.status, msgspec.json.decode(answer.body)


async def test_each_text_gets_a_vector_of_length_1() -> None:
    async with with_server() as (place, fake):
        body = embedding(input=["one", "a b"], truncate=False, dimensions=3, keep_alive="5m", options={"num_ctx": 64})
        status, answer = await told(place, "/api/embed", body)
        asked = fake.requests[-1].body
    assert (200, "nomic-embed-text", 2) == (status, answer["model"], len(answer["embeddings"]))
    assert all(math.isclose(1, math.hypot(*vector)) for vector in answer["embeddings"])
    assert (2_000_000, 3) == (answer["total_duration"], answer["prompt_eval_count"])
    assert {
        "model": "nomic-embed-text",
        "input": ["one", "a b"],
        "truncate": False,
        "dimensions": 3,
        "keep_alive": 300,
        "options": {"num_ctx": 64},
    } == asked


async def test_one_text_is_asked_for_alone_and_the_older_path_gives_it_as_it_is() -> None:
    async with with_server() as (place, _):
        _, one = await told(place, "/api/embed", embedding(input="a b"))
        older = await told(place, "/api/embeddings", embedding(prompt="a b"))
    assert 1 == len(one["embeddings"])
    assert (200, {"embedding": [3.0, 1.0, 1.0]}) == older


@pytest.mark.parametrize("body", [{"input": ""}, {"input": []}, {"input": None}, {}])
async def test_without_a_text_there_are_no_vectors_and_nobody_is_asked(body: dict[str, Any]) -> None:
    async with with_server() as (place, fake):
        newer = await told(place, "/api/embed", embedding(**body))
        older = await told(place, "/api/embeddings", embedding())
        assert [] == fake.requests
    assert (200, {"model": "nomic-embed-text", "embeddings": []}) == newer
    assert (200, {"embedding": []}) == older


@pytest.mark.parametrize("name", ["thane", "Thane:latest", "embedded"])
async def test_thanes_own_names_stand_for_the_configured_model(name: str) -> None:
    async with with_server(CONFIGURED) as (place, fake):
        status, answer = await told(place, "/api/embed", embedding(name, input="one"))
        assert "nomic-embed-text" == fake.requests[-1].body["model"]
    assert (200, name) == (status, answer["model"])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/embed", embedding("nope", input="x"), 404, 'model "nope" not found, try pulling it first'),
        ("/api/embeddings", embedding("nope", prompt="x"), 404, 'model "nope" not found, try pulling it first'),
        ("/api/embed", embedding("no name", input="x"), 400, "invalid model name"),
        ("/api/embeddings", embedding("no name", prompt="x"), 400, "invalid model name"),
        ("/api/embed", embedding("", input="x"), 404, "model '' not found"),
        ("/api/embeddings", embedding("", prompt="x"), 400, "model is required"),
        ("/api/embed", embedding(input=[1]), 400, "invalid input type"),
        ("/api/embed", embedding(input={}), 400, "invalid input type"),
        ("/api/embed", embedding(input=["x", "y", "z"]), 400, "the request has 3 texts; at most 2 are accepted"),
        ("/api/embed", embedding("qwen3:4b", input="x"), 501, "The model server"),
        ("/api/embed", embedding("thane", input="x"), 501, "thane makes no embeddings: ask for an embedding model"),
        ("/api/embed", embedding(input="x", keep_alive="soon"), 400, "time: invalid duration"),
        ("/api/embed", [], 400, "the request body must be a JSON object"),
    ],
)
async def test_refusals_are_a_text(path: str, body: object, status: int, words: str) -> None:
    async with with_server(Settings(limits=Limits(texts_per_embedding=2))) as (place, _):
        answer = await told(place, path, body)
    assert status == answer[0]
    assert ["error"] == list(answer[1])
    assert answer[1]["error"].startswith(words)


async def test_without_a_model_server_the_answer_says_how_to_get_one() -> None:
    async with site() as place:
        status, answer = await told(place, "/api/embed", embedding("thane", input="x"))
    assert 501 == status
    assert "set embeddings.enabled to true" in answer["error"]
    assert "models.ollama_url" in answer["error"]


async def test_a_model_server_that_is_gone_is_503() -> None:
    async with open_fake_ollama(models=MODELS) as fake:
        gone = fake
    async with open_embedder(gone) as embedder, site(embedder=embedder) as place:
        status, answer = await told(place, "/api/embed", embedding(input="x"))
    assert 503 == status
    assert "No model server answers" in answer["error"]


async def test_hanging_up_ends_the_question_to_the_model_server() -> None:
    async with with_server() as (place, fake):
        fake.pause = math.inf
        async with await place.ollama.connect() as client:
            await client.send(request("POST", "/api/embed", msgspec.json.encode(embedding(input="x"))))
            with trio.fail_after(5):
                await fake.wait_until(lambda: bool(fake.requests))
        started = trio.current_time()
        await fake.wait_until(lambda: fake.live == 0)
        assert trio.current_time() - started < 0.5


async def test_the_package_that_carries_its_model_stands_for_thanes_names_and_has_its_own() -> None:
    embedder = CarriedEmbedder(8000, lambda texts: [(1.0, 0.0) for _ in texts])
    settings = Settings(embeddings=Embeddings(enabled=True, provider="package"))
    async with site(settings=settings, embedder=embedder) as place:
        for name in ("thane", "use-multilingual", "Use-Multilingual:latest"):
            assert (200, [[1.0, 0.0]]) == (
                (said := await told(place, "/api/embed", embedding(name, input="x")))[0],
                said[1]["embeddings"],
            )
        assert 404 == (await told(place, "/api/embed", embedding("nope", input="x")))[0]
        refused = await told(place, "/api/embed", embedding("use-multilingual", input="x", dimensions=3))
        assert (400, True) == (refused[0], "have 512 numbers" in refused[1]["error"])
        chat = await told(
            place, "/api/chat", {"model": "use-multilingual", "messages": [{"role": "user", "content": "?"}]}
        )
        assert (400, {"error": '"use-multilingual" does not support chat'}) == chat
        shown = await told(place, "/api/show", {"model": "use-multilingual"})
    assert ["embedding"] == shown[1]["capabilities"]
