"""The embeddings of the package that carries its model: in chunks, refused where it cannot, and for real."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest
import trio

from thane.config.servers import CARRIED_MODEL
from thane.models.carried import CarriedEmbedder
from thane.models.embeddings import EmbedRequest
from thane.models.provider import ModelError


class Lengths:
    """In the place of the package: the length of a text is its vector."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: list[str]) -> Sequence[Sequence[float]]:
        self.asked.append(texts)
        return [(float(len(text)),) for text in texts]


async def vectors(encode: Lengths, *texts: str, chars: int = 8000) -> tuple[tuple[float, ...], ...]:
    return (await CarriedEmbedder(chars, encode).embed(EmbedRequest("use-multilingual", texts))).vectors


async def test_each_text_gets_a_vector_in_their_order() -> None:
    encode = Lengths()
    assert ((1.0,), (0.0,), (3.0,)) == await vectors(encode, "a", "", "abc")
    assert [["a", "", "abc"]] == encode.asked


async def test_much_is_asked_for_a_little_at_a_time() -> None:
    encode = Lengths()
    assert 5 == len(await vectors(encode, *["x" * 1500] * 5))
    assert [2, 2, 1] == [len(texts) for texts in encode.asked]


async def test_a_long_text_is_cut_or_refused() -> None:
    assert ((5.0,),) == await vectors(Lengths(), "abcdefgh", chars=5)
    with pytest.raises(ModelError, match="the input length exceeds the context length") as caught:
        await CarriedEmbedder(5, Lengths()).embed(EmbedRequest(CARRIED_MODEL, ("abcdefgh",), truncate=False))
    assert 400 == caught.value.status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (EmbedRequest("nomic-embed-text", ("x",)), 404),
        (EmbedRequest("USE-multilingual:latest", ("x",), dimensions=64), 400),
    ],
)
async def test_what_it_cannot_is_refused(request_: EmbedRequest, status: int) -> None:
    with pytest.raises(ModelError) as caught:
        await CarriedEmbedder(8000, Lengths()).embed(request_)
    assert status == caught.value.status


async def test_half_a_character_is_read_as_something_else() -> None:
    encode = Lengths()
    await vectors(encode, "\ud800")
    assert [["?"]] == encode.asked


async def test_who_hangs_up_is_not_worked_for() -> None:
    begun, go_on = threading.Event(), threading.Event()
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> Sequence[Sequence[float]]:
        asked.append(texts)
        begun.set()
        go_on.wait(5)
        return [(1.0,) for _ in texts]

    embedder = CarriedEmbedder(8000, encode)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(embedder.embed, EmbedRequest(CARRIED_MODEL, ("x" * 5000, "y" * 5000)))
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
    go_on.set()
    assert 1 == len(asked)


async def test_the_package_puts_together_what_means_the_same_in_whatever_language() -> None:
    texts = ("turn off the kitchen light", "schalte das Licht in der Küche aus", "what is the weather in Oslo", "")
    light, licht, weather, nothing = (await CarriedEmbedder(8000).embed(EmbedRequest(CARRIED_MODEL, texts))).vectors
    assert [512] * 4 == [len(each) for each in (light, licht, weather, nothing)]
    assert math.isclose(1, math.hypot(*light), rel_tol=1e-3)
    assert math.sumprod(light, licht) > 0.7
    assert math.sumprod(light, weather) < 0.3
