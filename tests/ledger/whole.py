"""A whole Thane in a test: every room of it real, both listeners served, a fake model server behind it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from thane.assembly import Builder
from thane.clock import SystemClock
from thane.config.settings import (
    AvailableModel,
    Brain,
    Demo,
    Embeddings,
    Limits,
    Listen,
    Models,
    OllamaApi,
    Price,
    Settings,
)
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.rooms import Rooms
from thane.http.site import ASGIApp
from thane.models.catalogue import Catalogue
from thane.testing.serving import Answer, Served, serving

MODEL = "qwen3:4b"


def settings_for(path: Path, url: str, **more: Any) -> Settings:
    """Of a Thane whose only model is the fake server's, which has a price."""
    given = Settings(
        data_dir=str(path),
        timezone="UTC",
        listen=Listen(port=0),
        ollama_api=OllamaApi(enabled=False),
        demo=Demo(enabled=False),
        brain=Brain(fast_path=False),
        models=Models(default=MODEL, ollama_url=url, available=(AvailableModel(name=MODEL),)),
        embeddings=Embeddings(enabled=True),
        pricing={MODEL: Price(input_per_million=1, output_per_million=10)},
        limits=Limits(),
    )
    return msgspec.structs.replace(given, **more)


class Whole:
    """Both listeners, and the rooms behind them."""

    def __init__(self, rooms: Rooms, catalogue: Catalogue, native: Served, ollama: Served) -> None:
        self.rooms = rooms
        self.catalogue = catalogue
        self.native = native
        self.ollama = ollama

    async def post(self, path: str, body: Any, *headers: str, ollama: bool = False) -> Answer:
        served = self.ollama if ollama else self.native
        return await served.ask("POST", path, msgspec.json.encode(body), "Content-Type: application/json", *headers)

    async def told(self, method: str, path: str, body: Any = None, *headers: str) -> Any:
        """The JSON of an answer that went well."""
        raw = b"" if body is None else msgspec.json.encode(body)
        answer = await self.native.ask(method, path, raw, *headers)
        assert 200 == answer.status, answer.body
        return msgspec.json.decode(answer.body)

    async def chat(self, message: str, conversation_id: str) -> str:
        """The answer to a message of a conversation that Thane keeps."""
        return (await self.told("POST", "/v1/chat", {"message": message, "conversation_id": conversation_id}))[
            "response"
        ]


@asynccontextmanager
async def open_whole(settings: Settings) -> AsyncGenerator[Whole]:
    async with AsyncExitStack() as stack:
        built = await Builder(stack, settings, SystemClock(), random.Random()).build()
        native = await stack.enter_async_context(serving(cast("ASGIApp", build_native(built.rooms))))
        ollama = await stack.enter_async_context(serving(cast("ASGIApp", build_ollama(built.rooms))))
        yield Whole(built.rooms, built.catalogue, native, ollama)
