"""The provider for any server with OpenAI's chat completions: llama.cpp, vLLM, LM Studio, LiteLLM, the cloud."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from thane.ids import Ids
from thane.models import openai_embeddings
from thane.models.counts import counted
from thane.models.embeddings import Embeddings, EmbedRequest
from thane.models.openai_format import OPTIONAL, CompletionReader, encode_request
from thane.models.provider import ModelError, ModelInfo, ModelRequest, ModelStream
from thane.models.server import Server, ServerStatistics
from thane.models.unsupported import unsupported

KIND = "an OpenAI-compatible server"

_PATH = "/chat/completions"
_OPENAI_HOST = "api.openai.com"
_MODELS_KNOWN = 1024  # of which is kept what they do not take


class _Meta(msgspec.Struct):
    n_ctx: Any = None
    n_ctx_train: Any = None


class _Entry(msgspec.Struct):
    """A model of `/v1/models`. Only `id` is OpenAI's; each other field is one or more servers' own."""

    id: str = ""
    context_length: Any = None  # OpenRouter, Together
    context_window: Any = None  # Groq
    max_context_length: Any = None  # LM Studio, Mistral
    loaded_context_length: Any = None  # LM Studio
    max_model_len: Any = None  # vLLM
    meta: _Meta | None = None  # llama.cpp
    aliases: Any = None  # llama.cpp
    capabilities: Any = None  # LM Studio, llama.cpp: a list; Mistral: a mapping
    supported_parameters: Any = None  # OpenRouter
    architecture: Any = None  # OpenRouter


class _Models(msgspec.Struct):
    data: list[_Entry]


class OpenAIProvider:
    """One server. Made by `open_provider`; safe to use from any number of tasks."""

    def __init__(self, server: Server, ids: Ids) -> None:
        self._server = server
        self._ids = ids
        self._local = server.provider.is_local
        self._newer = urlsplit(server.provider.url).hostname == _OPENAI_HOST
        key = server.provider.api_key
        self._refused: OrderedDict[str, frozenset[str]] = OrderedDict()  # by model: fields that it does not take
        self._key = {"authorization": f"Bearer {key}"} if key else {}

    @property
    def name(self) -> str:
        return self._server.name

    def statistics(self) -> ServerStatistics:
        return self._server.statistics()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        """See `Provider.stream`."""
        headers = {"accept": "text/event-stream", **self._key}
        answers = False
        while not answers:
            without = self._refused.get(request.model, frozenset[str]())
            newer = self._newer or "max_tokens" in without
            content = encode_request(request, local=self._local, completion_tokens=newer, without=without)
            reader = CompletionReader(
                self._ids, failures=self._server.failures, line_bytes=self._server.settings.answer_line_bytes
            )
            try:
                async with self._server.stream(
                    _PATH, content, reader, model=request.model, headers=headers, waits=request.waits
                ) as answer:
                    answers = True
                    yield answer
            except ModelError as error:
                sent = OPTIONAL.intersection(msgspec.json.decode(content))
                more = frozenset(unsupported(error, sent))
                if answers or not more:
                    raise
                self._refused[request.model] = without | more
                while len(self._refused) > _MODELS_KNOWN:
                    self._refused.popitem(last=False)

    async def models(self) -> tuple[ModelInfo, ...]:
        """See `Provider.models`. Asks `/models`, which tells little unless the server adds to it."""
        body = await self._server.listing("/models", self._key)
        if not body:
            return ()
        return tuple(self._describe(entry) for entry in self._server.decode(body, _Models).data if entry.id)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """See `Embedder.embed`. The first-token time-out bounds it: the model may have to be loaded."""
        body = await self._server.ask(
            "POST",
            openai_embeddings.PATH,
            openai_embeddings.encode(request),
            headers=self._key,
            model=request.model,
            seconds=self._server.first_seconds,
        )
        try:
            return openai_embeddings.decode(body, request)
        except msgspec.DecodeError as error:
            text = openai_embeddings.problem(body, request.model)
            raise self._server.failures.error(text, temporary=False) from error

    def _describe(self, entry: _Entry) -> ModelInfo:
        meta = entry.meta or _Meta()
        lengths = (
            entry.loaded_context_length,
            meta.n_ctx,
            entry.max_model_len,
            entry.context_length,
            entry.context_window,
            entry.max_context_length,
            meta.n_ctx_train,
        )
        said = _abilities(entry)
        aliases = entry.aliases if isinstance(entry.aliases, list) else []
        return ModelInfo(
            entry.id,
            self.name,
            context_tokens=next((each for each in map(counted, lengths) if each), 0),
            supports_tools=not _tells_of_tools(entry) or bool(said & {"tools", "tool_use", "function_calling"}),
            supports_thinking=bool(said & {"thinking", "reasoning", "include_reasoning"}),
            supports_images=bool(said & {"vision", "image", "multimodal", "image_input"}),
            local=self._local,
            aliases=tuple(each for each in aliases if isinstance(each, str) and each != entry.id),
        )


def _abilities(entry: _Entry) -> set[str]:
    """What the model can do, in whatever words its server has for it."""
    found: set[str] = set()
    if isinstance(entry.capabilities, dict):
        found |= {name for name, able in entry.capabilities.items() if able is True}
    architecture = entry.architecture if isinstance(entry.architecture, dict) else {}
    for words in (entry.capabilities, entry.supported_parameters, architecture.get("input_modalities")):
        if isinstance(words, list):
            found |= {word for word in words if isinstance(word, str)}
    return found


def _tells_of_tools(entry: _Entry) -> bool:
    """Whether a model that names no tools has none. llama.cpp's `completion`, `multimodal` say nothing of them."""
    if isinstance(entry.supported_parameters, list):
        return True
    if isinstance(entry.capabilities, dict):
        return "function_calling" in entry.capabilities
    return isinstance(entry.capabilities, list) and "tool_use" in entry.capabilities


def base_url(url: str) -> str:
    """The address before `/chat/completions`: as it is written, or `/v1` where no path is."""
    base = url.rstrip("/").removesuffix(_PATH)
    return base if urlsplit(base).path else f"{base}/v1"
