"""Embeddings of an OpenAI-compatible server."""

from __future__ import annotations

import itertools
import math
import random
from contextlib import AsyncExitStack

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.models.servers import CAREFUL, MODEL, provider_of
from thane.clock import SystemClock
from thane.config.providers import ModelProvider
from thane.ids import Ids
from thane.models import openai_embeddings
from thane.models.embeddings import Embedder, EmbedRequest, normalised
from thane.models.opening import open_provider
from thane.models.provider import ModelError
from thane.testing.cancellation import run_cancelled_at
from thane.testing.fake_openai import FakeOpenAI, open_fake_openai
from thane.testing.fake_server import FakeModel, vector_of

TEXTS = ("one", "a b", "")
REQUEST = EmbedRequest(MODEL, TEXTS, truncate=True, keep_alive_seconds=5)


def server(*capabilities: str) -> FakeOpenAI:
    return FakeOpenAI(None, (FakeModel(MODEL, capabilities=capabilities),))


async def test_each_text_gets_its_vector_whatever_the_order_of_the_answer(autojump_clock: MockClock) -> None:
    fake = server("embedding")
    async with provider_of(fake, "openai") as provider:
        assert isinstance(provider, Embedder)
        made = await provider.embed(REQUEST)
        plain = await provider.embed(EmbedRequest(MODEL, ("a b",), dimensions=3, plain=True))
    assert (tuple(normalised(vector_of(text)) for text in TEXTS), 6) == (made.vectors, made.tokens)
    assert (vector_of("a b"),) == plain.vectors
    first, second = (request.body for request in fake.requests)
    assert {"model": MODEL, "input": list(TEXTS), "encoding_format": "float"} == first
    assert 3 == second["dimensions"]
    assert "Bearer sk-secret" == fake.requests[0].headers["authorization"]


@pytest.mark.parametrize(("model", "status"), [("nope", 404), (MODEL, 400)])
async def test_a_refusal_has_the_servers_status(model: str, status: int, autojump_clock: MockClock) -> None:
    async with provider_of(server("completion"), "openai") as provider:
        assert isinstance(provider, Embedder)
        with pytest.raises(ModelError) as caught:
            await provider.embed(EmbedRequest(model, ("one",)))
    assert status == caught.value.status


async def test_a_silent_server_is_given_up(autojump_clock: MockClock) -> None:
    fake = server("embedding")
    fake.pause = math.inf
    async with provider_of(fake, "openai", CAREFUL) as provider:
        assert isinstance(provider, Embedder)
        with pytest.raises(ModelError, match="does not answer"):
            await provider.embed(REQUEST)


async def test_cancelled_at_any_await_nothing_stays_open() -> None:
    models = (FakeModel(MODEL, capabilities=("embedding",)),)
    async with open_fake_openai(models=models) as fake, AsyncExitStack() as stack:
        source = random.Random(1)
        box = ModelProvider(name="box", type="openai", url=fake.url)
        opened = open_provider(box, CAREFUL, Ids(source, SystemClock()), source=source)
        provider = await stack.enter_async_context(opened)
        assert isinstance(provider, Embedder)
        step = 0
        for step in itertools.count(1):
            if not await run_cancelled_at(step, lambda: provider.embed(REQUEST)):
                break
            with trio.fail_after(1):
                await fake.wait_until(lambda: fake.live == 0)
        assert step > 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"data":[]}',
        b'{"data":[{"embedding":[]},{"embedding":[1]},{"embedding":[1]}]}',
        b'{"data":[{"embedding":"AAAA"},{"embedding":[1]},{"embedding":[1]}]}',
    ],
)
def test_what_is_no_embedding_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        openai_embeddings.decode(body, REQUEST)


def test_vectors_of_tokens_are_told_as_what_they_are() -> None:
    body = b'{"data":[{"embedding":[[1,2],[3,4]],"index":0}]}'
    with pytest.raises(msgspec.DecodeError):
        openai_embeddings.decode(body, EmbedRequest("m", ("a",)))
    assert "a vector for each token, and none for a text: “m” is no embedding" in openai_embeddings.problem(body, "m")
    for other in (b"{}", b'{"data":[]}'):
        assert "something that is no embedding" in openai_embeddings.problem(other, "m")


def test_a_count_that_is_only_told_in_all_is_taken() -> None:
    body = b'{"data":[{"embedding":[1,0],"index":0}],"usage":{"total_tokens":9}}'
    assert 9 == openai_embeddings.decode(body, EmbedRequest("m", ("a",))).tokens
    without = openai_embeddings.decode(b'{"data":[{"embedding":[1,0]}]}', EmbedRequest("m", ("a",)))
    assert 0 == without.tokens
