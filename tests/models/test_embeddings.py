from __future__ import annotations

import itertools
import math

import msgspec
import pytest
import trio

from tests.models.test_ollama import open_provider
from thane.config.settings import Models
from thane.models import embeddings
from thane.models.embeddings import Embedder, Embeddings, EmbedRequest, normalised
from thane.models.provider import ModelError
from thane.testing.cancellation import run_cancelled_at
from thane.testing.fake_ollama import FakeModel, open_fake_ollama, vector_of

MODELS = (FakeModel("nomic", 2048, ("embedding",)), FakeModel("qwen3:4b"))
REQUEST = EmbedRequest("nomic", ("one", "a b"))


async def test_each_text_gets_its_vector():
    async with open_fake_ollama(models=MODELS) as fake, open_provider(fake.url) as provider:
        assert isinstance(provider, Embedder)
        made = await provider.embed(REQUEST)
        plain = await provider.embed(EmbedRequest("nomic", ("a b",), plain=True))
    assert tuple(normalised(vector_of(text)) for text in REQUEST.texts) == made.vectors
    assert (3, 0.002) == (made.tokens, made.total_duration)
    assert Embeddings((vector_of("a b"),)) == plain


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("nope", 404, "does not have the model “nope”"),
        ("qwen3:4b", 501, "this model does not support embeddings"),
    ],
)
async def test_a_refusal_has_the_servers_status_and_words(model: str, status: int, words: str):
    async with open_fake_ollama(models=MODELS) as fake, open_provider(fake.url) as provider:
        with pytest.raises(ModelError, match=words) as caught:
            await provider.embed(EmbedRequest(model, ("one",)))
    assert status == caught.value.status


async def test_a_silent_server_is_given_up():
    async with (
        open_fake_ollama(models=MODELS) as fake,
        open_provider(fake.url, Models(first_token_timeout_seconds=0.05)) as provider,
    ):
        fake.pause = math.inf
        with pytest.raises(ModelError, match="does not answer"):
            await provider.embed(REQUEST)
        await fake.wait_until(lambda: fake.live == 0)


async def test_cancelled_at_any_await_nothing_stays_open():
    async with open_fake_ollama(models=MODELS) as fake, open_provider(fake.url) as provider:
        step = 0
        for step in itertools.count(1):
            if not await run_cancelled_at(step, lambda: provider.embed(REQUEST)):
                break
            with trio.fail_after(1):
                await fake.wait_until(lambda: fake.live == 0)
        assert step > 2


@pytest.mark.parametrize(
    ("body", "plain"),
    [(b"[]", False), (b'{"embeddings":[[1.0]]}', False), (b'{"embeddings":[[],[1]]}', False), (b"{}", True)],
)
def test_vectors_that_are_missing_are_an_error(body: bytes, plain: bool):
    with pytest.raises(msgspec.DecodeError):
        embeddings.decode(body, EmbedRequest("m", ("a",) if plain else ("a", "b"), plain=plain))


def test_vectors_get_length_1():
    assert (0.6, 0.8) == normalised((3.0, 4.0))
    assert (0.6, 0.8) == normalised((0.6, 0.8))
    assert (0.0, 0.0) == normalised((0.0, 0.0))


def test_only_what_was_asked_is_sent():
    assert {"model": "nomic", "input": ["one", "a b"]} == msgspec.json.decode(embeddings.encode(REQUEST))
    more = EmbedRequest(
        "m", ("x",), dimensions=8, truncate=False, keep_alive_seconds=-1.0, options={"a": 1}, plain=True
    )
    assert {
        "model": "m",
        "prompt": "x",
        "dimensions": 8,
        "truncate": False,
        "keep_alive": -1,
        "options": {"a": 1},
    } == msgspec.json.decode(embeddings.encode(more))
