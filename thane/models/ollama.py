"""The provider for an Ollama model server, or anything that speaks its `/api/chat`.

It streams what the server says and fails in plain sentences; which model answers, and whether a turn is tried again, is
decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from thane.ids import Ids
from thane.models import embeddings, loading
from thane.models.context import ContextSizes, Sent
from thane.models.counts import counted, prompt_tokens
from thane.models.embeddings import Embeddings, EmbedRequest
from thane.models.loading import LoadRequest
from thane.models.names import runs_elsewhere
from thane.models.ollama_format import AnswerReader, encode_request
from thane.models.provider import ModelError, ModelInfo, ModelRequest, ModelStream
from thane.models.server import Server, ServerStatistics

KIND = "an Ollama server"

_NUM_CTX = re.compile(r"^\s*(?:PARAMETER\s+)?num_ctx\s+(\d+)", re.MULTILINE)


class _Details(msgspec.Struct):
    context_length: int | None = None


class _Entry(msgspec.Struct):
    name: str = ""
    model: str = ""
    digest: str = ""
    details: _Details | None = None
    capabilities: list[str] | None = None
    remote_host: str | None = None


class _Tags(msgspec.Struct):
    models: list[_Entry] | None = None


class _Shown(msgspec.Struct):
    model_info: dict[str, Any] | None = None
    capabilities: list[str] | None = None
    parameters: str | None = None
    remote_host: str | None = None


class _Context(msgspec.Struct, frozen=True):
    """The context that a model has, and the one that its Modelfile sets; 0 is unknown."""

    has: int = 0
    least: int = 0


class OllamaProvider:
    """One model server. Made by `open_provider`; safe to use from any number of tasks."""

    def __init__(self, server: Server, ids: Ids) -> None:
        self._server = server
        self._settings = server.settings
        self._ids = ids
        self._headers = {"accept": "application/x-ndjson"}
        if key := server.provider.api_key:
            self._headers["authorization"] = f"Bearer {key}"
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._contexts: dict[str, _Context] = {}
        self._sizes = ContextSizes(server.settings)

    @property
    def name(self) -> str:
        return self._server.name

    def statistics(self) -> ServerStatistics:
        return self._server.statistics()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        """See `Provider.stream`."""
        sent = self._sizing(request)
        content = encode_request(request, (sent.context_tokens or None) if sent is not None else None)
        reader = AnswerReader(
            self._ids, failures=self._server.failures, line_bytes=self._settings.answer_line_bytes, sent=sent
        )
        async with self._server.stream(
            "/api/chat", content, reader, model=request.model, headers=self._headers, waits=request.waits
        ) as answer:
            yield answer

    def _context_for(self, model: str) -> int:
        """The context that a small prompt gets; 0 leaves it to the server."""
        if not self._settings.manage_context or runs_elsewhere(model):
            return 0
        context = self._contexts.get(model, _Context())
        return self._sizes.size(model, 0, None, has=context.has, least=context.least)

    def _sizing(self, request: ModelRequest) -> Sent | None:
        """The prompt's size and the context for it; None leaves the context to the server."""
        if runs_elsewhere(request.model):
            return None
        prompt = prompt_tokens(request)
        context = self._contexts.get(request.model, _Context())
        wanted = counted(request.options.extra.get("num_ctx"))
        if wanted:
            return Sent(prompt, self._sizes.asked(request.model, wanted, has=context.has))
        if not self._settings.manage_context:
            return None
        limit = request.options.max_tokens
        answer = limit if limit is not None and limit > 0 else None
        size = self._sizes.size(request.model, prompt, answer, has=context.has, least=context.least)
        return Sent(prompt, size)

    async def models(self) -> tuple[ModelInfo, ...]:
        """See `Provider.models`. Asks `/api/tags`, and `/api/show` once for each model."""
        body = await self._ask("GET", "/api/tags")
        entries = self._server.decode(body, _Tags).models or []
        return tuple([await self._describe(entry) for entry in entries if entry.name or entry.model])

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """See `Embedder.embed`. The first-token time-out bounds it: the model may have to be loaded."""
        path, content = embeddings.path_of(request), embeddings.encode(request)
        body = await self._ask("POST", path, content, model=request.model, seconds=self._server.first_seconds)
        try:
            return embeddings.decode(body, request)
        except msgspec.DecodeError as error:
            text = "The model server sent something that is no embedding."
            raise self._server.failures.error(text, temporary=False) from error

    async def load(self, request: LoadRequest) -> None:
        """See `Loader.load`. The first-token time-out bounds it. The context is the one that a turn will ask for."""
        if request.keep_alive_seconds != 0 and (size := self._context_for(request.model)):
            request = msgspec.structs.replace(request, options={"num_ctx": size, **request.options})
        await self._ask(
            "POST", loading.PATH, loading.encode(request), model=request.model, seconds=self._server.first_seconds
        )

    async def _describe(self, entry: _Entry) -> ModelInfo:
        name = entry.model or entry.name
        context = entry.details.context_length if entry.details else None
        shown = await self._show(name, entry.digest)
        context = context or _context_length(shown) or 0
        capabilities = entry.capabilities if entry.capabilities is not None else shown.capabilities
        set_context = _NUM_CTX.search(shown.parameters or "")
        self._contexts[name] = _Context(context, int(set_context[1]) if set_context else 0)
        remote = bool(entry.remote_host or shown.remote_host) or runs_elsewhere(name)
        short = name.removesuffix(":latest")
        return ModelInfo(
            name,
            self.name,
            context_tokens=context,
            supports_tools=capabilities is None or "tools" in capabilities,  # not told: the server will say
            supports_thinking="thinking" in (capabilities or ()),
            supports_images="vision" in (capabilities or ()),
            local=self._server.provider.is_local and not remote,
            aliases=(short,) if short != name else (),
            capabilities=None if capabilities is None else tuple(capabilities),
        )

    async def _show(self, name: str, digest: str) -> _Shown:
        key = (name, digest)
        if key not in self._shown:
            try:
                body = await self._ask("POST", "/api/show", msgspec.json.encode({"model": name}))
                self._shown[key] = self._server.decode(body, _Shown)
            except ModelError as error:
                if error.status is None:
                    raise
                return _Shown()  # gone meanwhile, or a server that has no /api/show
        return self._shown[key]

    async def _ask(
        self, method: str, path: str, content: bytes = b"", *, model: str = "", seconds: float | None = None
    ) -> bytes:
        return await self._server.ask(method, path, content, headers=self._headers, model=model, seconds=seconds)


def _context_length(shown: _Shown) -> int | None:
    for key, value in (shown.model_info or {}).items():
        if key.endswith(".context_length") and isinstance(value, int):
            return value
    return None
