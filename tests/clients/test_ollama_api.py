"""The official Python client of Ollama against the Ollama listener, in all that is not chat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ollama
import pytest
import trio

from tests.http.ollama.model_server import MODELS, open_embedder
from tests.http.scripted import Site, failed, finished, plays, says, site
from thane.testing.fake_ollama import open_fake_ollama
from thane.turn import Text, Thinking

AWKWARD = ("Grüße, ", "a\u2028b\u2029c\u0085d ", "<b>&amp;</b> ", '"quoted" \\ \n\ttab ', "🙂 ")

MANAGING: dict[str, Callable[[ollama.Client], object]] = {
    "delete": lambda client: client.delete("thane"),
    "copy": lambda client: client.copy("thane", "mine"),
    "create": lambda client: client.create("mine", from_="thane"),
    "push": lambda client: client.push("thane"),
    "push, streaming": lambda client: list(client.push("thane", stream=True)),
}


async def use[T](place: Site, work: Callable[[ollama.Client], T]) -> T:
    """What a client makes of the site; it blocks, hence the thread."""

    def run() -> T:
        with ollama.Client(f"http://127.0.0.1:{place.ollama.port}") as client:
            return work(client)

    return await trio.to_thread.run_sync(run)


async def refused(place: Site, work: Callable[[ollama.Client], object]) -> tuple[int, str]:
    with pytest.raises(ollama.ResponseError) as caught:
        await use(place, work)
    return caught.value.status_code, caught.value.error


async def test_generate_is_read_to_the_letter() -> None:
    async with site(says(*AWKWARD)) as place:
        whole = await use(place, lambda client: client.generate("thane", "What's <new> & old?"))
        parts = await use(place, lambda client: list(client.generate("thane", "hi", stream=True)))
        assert "What's <new> & old?" == place.conversations.turns[0].messages[-1].content
    assert "".join(AWKWARD) == whole.response == "".join(part.response or "" for part in parts)
    assert (True, "stop", 12, 5) == (whole.done, whole.done_reason, whole.prompt_eval_count, whole.eval_count)
    assert whole.context == parts[-1].context


async def test_generate_goes_on_from_a_context() -> None:
    async with site() as place:
        first = await use(place, lambda client: client.generate("thane", "one"))
        await use(place, lambda client: client.generate("thane", "two", context=first.context))
        assert [False, True] == [turn.continues for turn in place.conversations.turns]


async def test_generate_keeps_thinking_apart() -> None:
    async with site(plays(Thinking("Hm."), Text("Sure."), finished("Sure."))) as place:
        said = await use(place, lambda client: client.generate("thane", "hi", think=True))
    assert ("Sure.", "Hm.") == (said.response, said.thinking)


async def test_generate_says_what_went_wrong() -> None:
    async with site(plays(failed())) as place:
        assert (502, failed().message) == await refused(place, lambda client: client.generate("thane", "hi"))
        assert (404, "model 'nope' not found") == await refused(place, lambda client: client.generate("nope", "hi"))


@pytest.mark.parametrize(("keep_alive", "reason"), [(0, "unload"), ("5m", "load")])
async def test_generate_without_a_prompt_loads_and_unloads(keep_alive: Any, reason: str) -> None:
    async with site() as place:
        told = await use(place, lambda client: client.generate("thane", keep_alive=keep_alive))
    assert (True, reason) == (told.done, told.done_reason)


async def test_embeddings_come_from_the_model_server() -> None:
    async with (
        open_fake_ollama(models=MODELS) as fake,
        open_embedder(fake) as embedder,
        site(embedder=embedder) as place,
    ):
        several = await use(place, lambda client: client.embed("nomic-embed-text", ["one", "a b"], dimensions=3))
        one = await use(place, lambda client: client.embed("nomic-embed-text", "one"))
        older = await use(place, lambda client: client.embeddings("nomic-embed-text", "a b"))
        none = await use(place, lambda client: client.embed("nomic-embed-text", []))
    assert 2 == len(several.embeddings)
    assert several.embeddings[0] == one.embeddings[0]
    assert [3.0, 1.0, 1.0] == older.embedding
    assert [] == none.embeddings


async def test_what_a_client_looks_at_is_read() -> None:
    async with site() as place:
        listed = await use(place, lambda client: client.list())
        loaded = await use(place, lambda client: client.ps())
        shown = await use(place, lambda client: client.show("Thane"))
    assert "thane:latest" in [model.model for model in listed.models]
    assert "thane:latest" in [model.model for model in loaded.models]
    assert (["completion", "tools"], "Thane") == (shown.capabilities, (shown.modelinfo or {})["general.basename"])


async def test_a_model_that_is_there_is_pulled() -> None:
    async with site() as place:
        whole = await use(place, lambda client: client.pull("thane"))
        parts = await use(place, lambda client: list(client.pull("thane:latest", stream=True)))
        refusal = await refused(place, lambda client: client.pull("nope"))
        in_a_stream = await refused(place, lambda client: list(client.pull("nope", stream=True)))
    assert ("success", "success") == (whole.status, parts[-1].status)
    assert 404 == refusal[0] == in_a_stream[0]
    assert "Thane has no model 'nope'" in refusal[1]


@pytest.mark.parametrize("name", MANAGING)
async def test_models_are_managed_elsewhere(name: str) -> None:
    async with site() as place:
        status, told = await refused(place, MANAGING[name])
    assert 501 == status
    assert told.startswith("Thane ")
    assert "model server" in told


async def test_embeddings_that_nobody_makes_are_refused_in_words() -> None:
    async with site() as place:
        status, words = await refused(place, lambda client: client.embed("thane", "hi"))
    assert 501 == status
    assert "embeddings.model" in words
