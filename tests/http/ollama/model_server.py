"""The provider in front of a fake model server, for the routes that ask one."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from thane.clock import SystemClock
from thane.config.settings import Models
from thane.ids import Ids
from thane.models.ollama import OllamaProvider
from thane.models.opening import open_ollama
from thane.testing.fake_ollama import FakeModel, FakeOllama

MODELS = (FakeModel("qwen3:4b"), FakeModel("nomic-embed-text", 2048, ("embedding",)))


@asynccontextmanager
async def open_embedder(fake: FakeOllama) -> AsyncGenerator[OllamaProvider]:
    source = random.Random(1)
    async with open_ollama(fake.url, Models(connect_tries=1), Ids(source, SystemClock()), source=source) as provider:
        yield provider
