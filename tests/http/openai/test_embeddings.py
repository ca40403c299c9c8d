"""`/v1/embeddings` on both listeners, over a fake model server, asked by OpenAI's own client."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import openai
import pytest
import trio

from tests.http.ollama.model_server import MODELS, open_embedder
from tests.http.scripted import Site, post, site
from thane.config.settings import Embeddings, Settings
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama

CONFIGURED = Settings(embeddings=Embeddings(enabled=True))
MODEL = "nomic-embed-text"


@asynccontextmanager
async def with_server(settings: Settings | None = None) -> AsyncGenerator[tuple[Site, FakeOllama]]:
    async with (
        open_fake_ollama(models=MODELS) as fake,
        open_embedder(fake) as embedder,
        site(settings=settings, embedder=embedder) as place,
    ):
        yield place, fake


async def talk[T](port: int, work: Callable[[openai.OpenAI], T]) -> T:
    def run() -> T:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as client:
            return work(client)

    return await trio.to_thread.run_sync(run)


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_the_client_reads_both_encodings_alike(listener: str) -> None:
    async with with_server() as (place, _):
        port = getattr(place, listener).port
        packed = await talk(port, lambda client: client.embeddings.create(model=MODEL, input=["one", "a b"]))
        plain = await talk(
            port, lambda client: client.embeddings.create(model=MODEL, input=["one", "a b"], encoding_format="float")
        )
    assert (2, "nomic-embed-text") == (len(packed.data), packed.model)
    assert packed.usage.prompt_tokens == plain.usage.prompt_tokens > 0
    for one, other in zip(packed.data, plain.data, strict=True):
        assert other.embedding == pytest.approx(one.embedding, abs=1e-6)
        assert math.isclose(1, math.hypot(*other.embedding), abs_tol=1e-6)


async def test_an_empty_text_has_a_vector_too() -> None:
    async with with_server() as (place, fake):
        made = await talk(place.native.port, lambda client: client.embeddings.create(model=MODEL, input=""))
        assert [""] == fake.requests[-1].body["input"]
    assert 1 == len(made.data)


async def test_a_name_of_thanes_own_stands_for_the_configured_model() -> None:
    async with with_server(CONFIGURED) as (place, fake):
        made = await talk(
            place.native.port, lambda client: client.embeddings.create(model="thane", input="a", dimensions=3)
        )
        assert ("nomic-embed-text", 3) == (fake.requests[-1].body["model"], fake.requests[-1].body["dimensions"])
    assert "thane" == made.model


async def test_without_a_model_it_is_said_how_to_get_one() -> None:
    async with site() as place:
        answer = await post(place.native, "/v1/embeddings", {"model": "thane", "input": "a"})
    error = msgspec.json.decode(answer.body)["error"]
    assert (501, "no_embeddings", "false") == (answer.status, error["code"], answer.headers["x-should-retry"])
    assert "embeddings.model" in error["message"]


async def test_refusals_have_openais_shape() -> None:
    async with with_server() as (place, _):
        empty = await post(place.ollama, "/v1/embeddings", {"model": MODEL, "input": []})
        unknown = await post(place.ollama, "/v1/embeddings", {"model": "nope", "input": "a"})
    assert (400, "invalid input") == (empty.status, msgspec.json.decode(empty.body)["error"]["message"])
    assert (404, "model_not_found") == (unknown.status, msgspec.json.decode(unknown.body)["error"]["code"])
