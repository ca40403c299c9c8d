"""Embeddings of an OpenAI-compatible server through both doors of a whole Thane: made, counted, paid, limited."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.ledger.whole import Whole, open_whole, settings_for
from thane.config.providers import ModelProvider
from thane.config.settings import Budget, Budgets, Embeddings, Models, Price
from thane.ledger.entry import LedgerEntry
from thane.models.embeddings import normalised
from thane.testing.fake_openai import FakeOpenAI, open_fake_openai
from thane.testing.fake_server import FakeModel, vector_of
from thane.turn import Usage

VECTORS = "text-embedding-3-small"
SOLD = {VECTORS: Price(input_per_million=2)}
AT_HOME = Embeddings(enabled=True, model=VECTORS, provider="lan")


@asynccontextmanager
async def house(path: Path, **more: Any) -> AsyncGenerator[tuple[Whole, FakeOpenAI]]:
    """A Thane with one model server, which speaks OpenAI's protocol and is not in the house."""
    models = FakeModel("gpt-oss"), FakeModel(VECTORS, capabilities=("embedding",))
    async with open_fake_openai(models=models) as fake:
        lan = ModelProvider(name="lan", type="openai", url=fake.url, local=False)
        given = {"pricing": SOLD, "embeddings": AT_HOME} | more
        settings = settings_for(path, "http://127.0.0.1:9", models=Models(default="gpt-oss", providers=(lan,)), **given)
        async with open_whole(settings) as thane:
            provider = thane.catalogue.get("lan")
            assert provider is not None
            await thane.catalogue.ask(provider)  # as its probe does when a service starts
            yield thane, fake


async def entries(thane: Whole) -> tuple[LedgerEntry, ...]:
    return await thane.rooms.ledger.entries(0, limit=99)


@pytest.mark.parametrize("name", [VECTORS, "thane"])
@pytest.mark.parametrize("door", ["ollama", "openai", "openai on the Ollama port"])
async def test_both_doors_ask_the_server_and_each_call_is_counted(tmp_path: Path, door: str, name: str) -> None:
    async with house(tmp_path) as (thane, fake):
        body = {"model": name, "input": ["one", "a b"]}
        path = "/api/embed" if door == "ollama" else "/v1/embeddings"
        answer = await thane.post(path, body, ollama=door != "openai")
        assert 200 == answer.status, answer.body
        told = msgspec.json.decode(answer.body)
        vectors = told["embeddings"] if door == "ollama" else [each["embedding"] for each in told["data"]]
        assert [pytest.approx(normalised(vector_of(text)), abs=1e-6) for text in ("one", "a b")] == vectors
        (entry,) = await entries(thane)
        assert ("lan", VECTORS, "embedding", "done", Usage(6), 12_000_000) == (
            *(entry.provider, entry.model, entry.role, entry.outcome, entry.usage, entry.picodollars),
        )
        assert entry.usage.input_tokens == fake.counted(VECTORS).input_tokens


@pytest.mark.parametrize("embeddings", [Embeddings(), Embeddings(enabled=True, model="another")])
async def test_a_model_that_a_server_has_is_asked_there_whatever_is_configured(
    tmp_path: Path, embeddings: Embeddings
) -> None:
    async with house(tmp_path, embeddings=embeddings) as (thane, fake):
        assert 200 == (await thane.post("/v1/embeddings", {"model": VECTORS, "input": "a"})).status
        assert 1 == fake.counted(VECTORS).calls


async def test_a_refusal_is_told_and_counted_as_failed(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, _):
        answer = await thane.post("/v1/embeddings", {"model": "gpt-oss", "input": "a"})
        assert 400 == answer.status
        unknown = await thane.post("/v1/embeddings", {"model": "no-such", "input": "a"})
        assert 404 == unknown.status
        assert {("failed", 0)} == {(entry.outcome, entry.tokens) for entry in await entries(thane)}


async def test_a_hang_up_is_counted_by_an_estimate(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, fake):
        fake.pause = 30.0
        with trio.move_on_after(0.3):
            await thane.post("/v1/embeddings", {"model": VECTORS, "input": "twelve chars"})
        await fake.wait_until(lambda: not fake.live)
        with trio.fail_after(5):
            while not (found := await entries(thane)):  # noqa: ASYNC110 - no event of it
                await trio.sleep(0.01)
        assert [("cancelled", Usage(3, estimated=True))] == [(entry.outcome, entry.usage) for entry in found]


@pytest.mark.parametrize(
    ("budgets", "pricing", "words"),
    [
        (Budgets(day=Budget(stop_usd=0.000012)), SOLD, "Today's budget for paid models is used up"),
        (Budgets(day=Budget(stop_usd=5)), {"other": Price()}, f"{VECTORS} has no price, and a money budget stands"),
    ],
)
async def test_a_budget_stops_embeddings_too(
    tmp_path: Path, budgets: Budgets, pricing: dict[str, Price], words: str
) -> None:
    async with house(tmp_path, budgets=budgets, pricing=pricing) as (thane, _):
        body = {"model": VECTORS, "input": ["one", "a b"]}
        await thane.post("/v1/embeddings", body)
        answer = await thane.post("/v1/embeddings", body)
        error = msgspec.json.decode(answer.body)["error"]
        assert (429, "insufficient_quota") == (answer.status, error["code"])
        assert words in error["message"]
        assert 429 == (await thane.post("/api/embed", body, ollama=True)).status


async def test_what_thane_wants_to_know_of_facts_is_counted_as_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as (thane, fake):
        made = await thane.native.ask(
            "POST",
            "/v1/facts",
            msgspec.json.encode({"category": "home", "key": "cat", "value": "The cat is called Ada."}),
        )
        assert made.status in (200, 201), made.body
        await thane.chat("how are my pets called", "c_1")
        await thane.rooms.conversations.wait_idle()
        found = [entry for entry in await entries(thane) if entry.role == "embedding"]
        assert fake.counted(VECTORS).calls == len(found) > 0
        assert {("embedding", "fact_meaning", "done")} == {(each.role, each.task, each.outcome) for each in found}
        assert fake.counted(VECTORS).input_tokens == sum(each.tokens for each in found)
