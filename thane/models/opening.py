"""Opening the providers that the configuration names."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import trio

from thane.config.providers import ModelProvider
from thane.config.settings import Models
from thane.ids import Ids
from thane.models import anthropic, ollama, openai
from thane.models.anthropic import AnthropicProvider
from thane.models.http import Connect
from thane.models.ollama import OllamaProvider
from thane.models.openai import OpenAIProvider
from thane.models.server import open_server

type Remote = OllamaProvider | OpenAIProvider | AnthropicProvider


@asynccontextmanager
async def open_provider(
    provider: ModelProvider,
    settings: Models,
    ids: Ids,
    *,
    source: random.Random,
    connect: Connect = trio.open_tcp_stream,
) -> AsyncGenerator[Remote]:
    """A provider with one pool of connections; they are closed on leaving.

    `source` is for the jitter of retries. Raises `ValueError` when the address is not one.
    """
    match provider.type:
        case "ollama":
            kind = ollama.KIND
        case "openai":
            kind = openai.KIND
            provider = msgspec.structs.replace(provider, url=openai.base_url(provider.url))
        case "anthropic":
            kind = anthropic.KIND
            provider = msgspec.structs.replace(provider, url=anthropic.base_url(provider.url))
    async with open_server(provider, settings, kind=kind, source=source, connect=connect) as server:
        match provider.type:
            case "ollama":
                yield OllamaProvider(server, ids)
            case "openai":
                yield OpenAIProvider(server, ids)
            case "anthropic":
                yield AnthropicProvider(server, ids)


@asynccontextmanager
async def open_ollama(
    url: str,
    settings: Models,
    ids: Ids,
    *,
    source: random.Random,
    name: str = "ollama",
    connect: Connect = trio.open_tcp_stream,
) -> AsyncGenerator[OllamaProvider]:
    """A provider for the Ollama server at `url`. Raises `ValueError` when the address is not one."""
    server = ModelProvider(name=name, type="ollama", url=url)
    async with open_server(server, settings, kind=ollama.KIND, source=source, connect=connect) as opened:
        yield OllamaProvider(opened, ids)
