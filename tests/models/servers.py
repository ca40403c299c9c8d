"""The three protocols side by side: providers before fake servers, without sockets, so that the clock may be a mock."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
import trio
import trio.testing

from thane.clock import SystemClock
from thane.config.settings import ModelProvider, Models
from thane.ids import Ids
from thane.models.opening import Remote, open_provider
from thane.models.provider import ModelError, ModelOutput, ModelRequest
from thane.testing.fake_anthropic import FakeAnthropic
from thane.testing.fake_ollama import FakeOllama
from thane.testing.fake_openai import FakeOpenAI
from thane.testing.fake_server import FakeModel, FakeServer
from thane.turn import Message

type Protocol = Literal["ollama", "openai", "anthropic"]

PROTOCOLS: tuple[Protocol, ...] = ("ollama", "openai", "anthropic")
MODEL = "some-model"
REQUEST = ModelRequest(MODEL, (Message("user", "hi"),))
FAKES: dict[Protocol, type[FakeServer]] = {"ollama": FakeOllama, "openai": FakeOpenAI, "anthropic": FakeAnthropic}
CAREFUL = Models(first_token_timeout_seconds=30, idle_timeout_seconds=10)


def fake_server(protocol: Protocol) -> FakeServer:
    return FAKES[protocol](None, (FakeModel(MODEL),))


@asynccontextmanager
async def provider_of(
    fake: FakeServer, protocol: Protocol, settings: Models = CAREFUL, **fields: object
) -> AsyncGenerator[Remote]:
    """A provider for the fake. `fields` are more of its configuration."""
    source = random.Random(1)
    spec = ModelProvider(**{"name": "box", "type": protocol, "url": "http://fake", "api_key": "sk-secret", **fields})  # type: ignore[arg-type]  # the fields are the test's
    async with trio.open_nursery() as nursery:

        async def connect(host: str, port: int) -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(fake.serve, theirs)
            await trio.lowlevel.checkpoint()
            return ours

        async with open_provider(
            spec, settings, Ids(source, SystemClock()), source=source, connect=connect
        ) as provider:
            yield provider
        nursery.cancel_scope.cancel()


async def ask(provider: Remote, request: ModelRequest = REQUEST) -> list[ModelOutput]:
    async with provider.stream(request) as stream:
        return [output async for batch in stream for output in batch]


async def fail(
    provider: Remote, collected: list[ModelOutput] | None = None, request: ModelRequest = REQUEST
) -> ModelError:
    """The error of a call that must fail; what came before it is put into `collected`."""
    with pytest.raises(ModelError) as caught:
        async with provider.stream(request) as stream:
            async for batch in stream:
                if collected is not None:
                    collected += batch
    return caught.value
