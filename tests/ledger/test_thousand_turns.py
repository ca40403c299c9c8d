"""A thousand turns through every door, with failures, retries and hang-ups: the ledger agrees with the model servers.

Three fake servers, one of each protocol, count for themselves what they were asked and what they told. What they told
must be in the ledger to the token; every call that was refused, cut or left must be there too, once.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.ledger.whole import MODEL, Whole, open_whole, settings_for
from thane.config.providers import ModelProvider
from thane.config.routing import Routing
from thane.config.settings import Agent, AvailableModel, Models, Price, Settings
from thane.ledger.entry import LedgerEntry
from thane.testing.fake_anthropic import open_fake_anthropic
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.fake_openai import open_fake_openai
from thane.testing.fake_server import FakeModel, FakeServer, Request
from thane.testing.script import Call, Cut, Reply, Say, Stop, Wait

EMBEDS, VECTORS = "nomic-embed-text", "text-embedding-3-small"
MODELS = (MODEL, "gpt-oss", "claude-sonnet-4-5")
TURNS = 1000
AT_ONCE = 8
LEAVE, TOOL, HAND_OVER = "wait for me", "what time is it", "have it explained"


class Playing:
    """Answers a server's requests: by what they say, else anything that may happen, good and bad."""

    def __init__(self, server: FakeServer, source: random.Random) -> None:
        self.pieces_cut: Counter[str] = Counter()
        self._source = source
        self._tells_cached = not isinstance(server, FakeOllama)  # its protocol has no word for it
        server.reply_to = self.reply  # type: ignore[method-assign]  # it is made to be replaced

    def reply(self, request: Request) -> Reply:
        model, said = request.body["model"], msgspec.json.encode(request.body["messages"]).decode()
        if LEAVE in said:
            self.pieces_cut[model] += 2
            return Reply((Say(("Let me ", "think.")), Wait(), Stop()))
        if TOOL in said and '"tool' not in said:
            return Reply((Call((("GetDateTime", {}),)), self._stop()))
        if HAND_OVER in said and '"tool' not in said:
            task = {"task": f"{self._source.choice((TOOL, 'question'))} {self._source.randrange(10**6)}"}
            return Reply((Call((("thane_delegate", task),)), self._stop()))
        chance = self._source.random()
        if chance < 0.05:
            return Reply(status=self._source.choice((500, 429, 400)), error="not now")
        if chance < 0.10:
            self.pieces_cut[model] += 1
            return Reply((Say(("Half",)), Cut()))
        return Reply((Say(("It ", "is ", "on.")), self._stop()))

    def _stop(self) -> Stop:
        read, written = self._source.randrange(2000), self._source.randrange(300)
        return Stop(
            prompt_tokens=read,
            output_tokens=written,
            cached_tokens=read // 3 if self._tells_cached and self._source.random() < 0.5 else 0,
        )


class Guests:
    """Clients of every door. `ran` counts what each door was asked."""

    def __init__(self, source: random.Random) -> None:
        self.ran: Counter[str] = Counter()
        self._source = source

    async def one(self, thane: Whole) -> None:
        """One request through one door."""
        source = self._source
        model = source.choice(MODELS)
        said = source.choice((TOOL, HAND_OVER, *(f"question {source.randrange(10**6)}" for _ in range(9))))
        messages = [{"role": "user", "content": said}]
        door = source.choice(
            ("chat", "generate", "openai", "responses", "messages", "native", "title", "embed", "vectors", "leave")
        )
        self.ran[door] += 1
        stream = source.random() < 0.5
        if door == "chat":
            await thane.post("/api/chat", {"model": model, "messages": messages, "stream": stream}, ollama=True)
        elif door == "generate":
            await thane.post("/api/generate", {"model": model, "prompt": said, "stream": stream}, ollama=True)
        elif door == "openai":
            await thane.post("/v1/chat/completions", {"model": model, "messages": messages, "stream": stream})
        elif door == "responses":
            await thane.post("/v1/responses", {"model": model, "input": said, "stream": stream})
        elif door == "messages":
            await thane.post("/v1/messages", {"model": model, "max_tokens": 99, "messages": messages, "stream": stream})
        elif door == "native":
            conversation = f"c_{source.randrange(20)}"
            await thane.post("/v1/chat", {"model": model, "message": said, "conversation_id": conversation})
        elif door == "title":
            task = "### Task:\nGenerate a concise, 3-5 word title.\n<chat_history>\nUSER: hello\n</chat_history>"
            body = {"model": model, "messages": [{"role": "user", "content": task}], "stream": False}
            await thane.post("/api/chat", body, ollama=True)
        elif door == "embed":
            await thane.post("/api/embed", {"model": EMBEDS, "input": ["kitchen", said]}, ollama=True)
        elif door == "vectors":
            await thane.post("/v1/embeddings", {"model": VECTORS, "input": ["kitchen", said]})
        else:
            await self._leave(thane, model)

    async def _leave(self, thane: Whole, model: str) -> None:
        """Hang up in the middle of an answer, when both of its pieces have come."""
        messages = [{"role": "user", "content": f"{LEAVE} {self._source.randrange(10**6)}"}]
        body = msgspec.json.encode({"model": model, "messages": messages, "stream": True})
        async with await thane.ollama.connect() as client:
            head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            await client.stream.send_all(head + body)
            seen = b""
            while b"think." not in seen and b'"error"' not in seen:
                data = await client.stream.receive_some(65536)
                if not data:
                    break
                seen += data


async def play(thane: Whole, guests: Guests, turns: int) -> None:
    """So many requests, a few at a time, until all of them are over and recorded."""
    left = iter(range(turns))

    async def guest() -> None:
        for _ in left:
            await guests.one(thane)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(guest)
    await thane.rooms.conversations.wait_idle()


async def count_open(thane: Whole) -> int:
    """Calls that the ledger takes for being under way, on the disk and on their way there."""
    ledger = thane.rooms.ledger
    read = ledger._database.read  # pyright: ignore[reportPrivateUsage] a look at what must not grow
    (rows,) = await read(lambda connection: connection.execute("select count(*) from open_calls").fetchone())
    return rows + len(ledger._unwritten) + len(ledger.spending._runs)  # pyright: ignore[reportPrivateUsage]


def settings_of(path: Path, ollama: str, openai: str, anthropic: str) -> Settings:
    models = Models(
        default=MODEL,
        ollama_url=ollama,
        available=tuple(
            AvailableModel(name=name, provider=provider, quality=8)
            for name, provider in zip(MODELS, ("ollama", "lan", "cloud"), strict=True)
        ),
        providers=(
            ModelProvider(name="lan", type="openai", url=f"{openai}/v1"),
            ModelProvider(name="cloud", type="anthropic", url=anthropic, api_key="k"),
        ),
    )
    return settings_for(
        path,
        ollama,
        models=models,
        agent=Agent(model_retry_seconds=0.001),
        routing=Routing(circuit_failures=10_000),
        pricing={name: Price(input_per_million=1.25, output_per_million=10) for name in (*MODELS[:2], EMBEDS)},
    )


def agree(entries: list[LedgerEntry], server: FakeServer, model: str, playing: Playing) -> None:
    """The ledger's entries of a model against its server's own counts."""
    counts = server.counted(model)
    done = [entry for entry in entries if entry.outcome == "done"]
    cut = [entry for entry in entries if entry.outcome != "done"]
    assert not [entry for entry in done if entry.usage.estimated]

    def total(name: str) -> int:
        return sum(getattr(entry.usage, name) for entry in done)

    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    told = {name: getattr(counts, name) for name in names}
    assert {"calls": counts.finished, **told} == {"calls": len(done), **{name: total(name) for name in names}}
    assert counts.refused + counts.calls - counts.finished == len(cut)
    assert playing.pieces_cut[model] == sum(entry.usage.output_tokens for entry in cut)
    assert all(entry.usage.estimated for entry in cut if entry.tokens)


@pytest.mark.timeout(240)
async def test_after_a_thousand_mixed_turns_the_ledger_equals_the_servers_own_counts(tmp_path: Path) -> None:
    source = random.Random(4)
    async with AsyncExitStack() as stack:
        embeds, vectors = (FakeModel(name, capabilities=("embedding",)) for name in (EMBEDS, VECTORS))
        openai_models = FakeModel(MODELS[1]), vectors
        ollama: FakeOllama = await stack.enter_async_context(open_fake_ollama(models=(FakeModel(MODEL), embeds)))
        openai = await stack.enter_async_context(open_fake_openai(models=openai_models))
        anthropic = await stack.enter_async_context(open_fake_anthropic())
        servers: tuple[FakeServer, ...] = (ollama, openai, anthropic)
        playing = [Playing(server, source) for server in servers]
        settings = settings_of(tmp_path, ollama.url, openai.url, anthropic.url)
        guests = Guests(source)
        before: Any = None
        entries: tuple[LedgerEntry, ...] = ()
        for _ in range(2):
            async with open_whole(settings) as thane:
                for name in ("ollama", "lan", "cloud"):
                    provider = thane.catalogue.get(name)
                    assert provider is not None
                    await thane.catalogue.ask(provider)  # as its probe does when a service starts
                if before is not None:
                    assert before == await thane.rooms.ledger.totals(), "a restart changed the ledger"
                await play(thane, guests, TURNS // 2)
                before = await thane.rooms.ledger.totals()
                assert 0 == await count_open(thane), "what ended is still open"
                entries = await thane.rooms.ledger.entries(0, limit=100_000)
        assert all(guests.ran[door] > 50 for door in guests.ran), guests.ran
        for server, model, player in zip(servers, MODELS, playing, strict=True):
            agree([entry for entry in entries if entry.model == model], server, model, player)
        asked = [request for request in ollama.requests if request.path == "/api/embed"]
        counted = openai.counted(VECTORS)
        bought = [entry for entry in entries if entry.model == VECTORS]
        assert guests.ran["vectors"] == len(bought) == counted.calls
        assert counted.input_tokens == sum(entry.tokens for entry in bought)
        made = [entry for entry in entries if entry.model == EMBEDS]
        assert (len(asked), 3 * len(asked)) == (len(made), sum(entry.usage.input_tokens for entry in made))
        assert guests.ran["leave"] == sum(entry.outcome == "cancelled" for entry in entries)
        assert guests.ran["title"] <= sum(entry.role == "auxiliary" for entry in entries)
        handed = {entry.run_id for entry in entries if entry.role == "delegate"}
        assert len(handed) > 20
        assert TURNS == before.turns - len(handed)
