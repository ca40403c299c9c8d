"""The provider for Anthropic's API, or another server that speaks its `/v1/messages`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from thane.ids import Ids
from thane.models.anthropic_abilities import Abilities, can, learned, read
from thane.models.anthropic_format import MessageReader
from thane.models.anthropic_request import encode_request
from thane.models.counts import counted
from thane.models.provider import ModelError, ModelInfo, ModelRequest, ModelStream
from thane.models.server import Server, ServerStatistics
from thane.turn import JSON

KIND = "an Anthropic server"

_VERSION = "2023-06-01"
_CONTEXT_TOKENS = 200_000  # of every model that Anthropic serves, where the API does not say more
_PAGES = 10  # of 1,000 models
_MODELS_KNOWN = 1024  # of which is kept what they take
_THOUGHTS_KEPT = 1024  # tool calls whose thinking may still have to go back; those of the turns that run now


class _Entry(msgspec.Struct):
    id: str = ""
    max_input_tokens: Any = None
    max_tokens: Any = None
    capabilities: Any = None
    lifecycle: Any = None


class _Models(msgspec.Struct):
    data: list[_Entry]
    has_more: bool = False
    last_id: str | None = None


class AnthropicProvider:
    """One account at one server. Made by `open_provider`; safe to use from any number of tasks."""

    def __init__(self, server: Server, ids: Ids) -> None:
        self._server = server
        self._ids = ids
        key = server.provider.api_key
        self._headers = {"anthropic-version": _VERSION} | ({"x-api-key": key} if key else {})
        self._thoughts: OrderedDict[str, list[JSON]] = OrderedDict()
        self._abilities: OrderedDict[str, Abilities] = OrderedDict()

    @property
    def name(self) -> str:
        return self._server.name

    def statistics(self) -> ServerStatistics:
        return self._server.statistics()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        """See `Provider.stream`."""
        headers = {"accept": "text/event-stream", **self._headers}
        answers = False
        while not answers:
            abilities = self._abilities.get(request.model, Abilities())
            content = encode_request(request, self._server.provider, self._thoughts, abilities)
            reader = MessageReader(
                self._ids, failures=self._server.failures, line_bytes=self._server.settings.answer_line_bytes
            )
            try:
                async with self._server.stream(
                    "/v1/messages", content, reader, model=request.model, headers=headers, waits=request.waits
                ) as answer:
                    answers = True
                    try:
                        yield answer
                    finally:
                        if reader.done:
                            self._keep(reader)
            except ModelError as error:
                knows_better = None if answers else learned(abilities, error)
                if knows_better is None:
                    raise
                self._know(request.model, knows_better)

    def _keep(self, reader: MessageReader) -> None:
        """Remember the thoughts that led to tool calls, for when their results are sent."""
        if reader.thoughts and reader.called:
            self._thoughts[reader.called[0]] = reader.thoughts
            while len(self._thoughts) > _THOUGHTS_KEPT:
                self._thoughts.popitem(last=False)

    async def models(self) -> tuple[ModelInfo, ...]:
        """See `Provider.models`. Asks `/v1/models`, which costs nothing."""
        found: list[ModelInfo] = []
        path = "/v1/models?limit=1000"
        for _ in range(_PAGES):
            body = await self._server.listing(path, self._headers)
            if not body:
                break
            page = self._server.decode(body, _Models)
            found += [self._describe(entry) for entry in page.data if entry.id and entry.lifecycle != "retired"]
            if not page.has_more or not page.last_id:
                break
            path = f"/v1/models?limit=1000&after_id={quote(page.last_id, safe='')}"
        return tuple(found)

    def _know(self, model: str, abilities: Abilities) -> None:
        self._abilities[model] = abilities
        while len(self._abilities) > _MODELS_KNOWN:
            self._abilities.popitem(last=False)

    def _describe(self, entry: _Entry) -> ModelInfo:
        before = self._abilities.get(entry.id, Abilities())  # with what was learned, which the list does not tell
        told = read(entry.max_tokens, entry.capabilities)
        self._know(entry.id, replace(told, samples=before.samples, adaptive=told.adaptive or before.adaptive))
        return ModelInfo(
            entry.id,
            self.name,
            context_tokens=counted(entry.max_input_tokens) or _CONTEXT_TOKENS,
            supports_tools=True,
            supports_thinking=_can(entry, "thinking", otherwise=not _is_older(entry.id)),
            supports_images=_can(entry, "image_input", otherwise=True),
            local=self._server.provider.is_local,
        )


def _can(entry: _Entry, ability: str, *, otherwise: bool) -> bool:
    """What the API tells of a model; `otherwise` where it does not."""
    told = can(entry.capabilities, ability)
    return otherwise if told is None else told


def _is_older(name: str) -> bool:
    """Whether a model is from before thinking: Claude 3.5 and before."""
    return name.startswith(("claude-2", "claude-instant", "claude-3-")) and not name.startswith("claude-3-7")


def base_url(url: str) -> str:
    """The address before `/v1/messages`."""
    return url.rstrip("/").removesuffix("/v1/messages").removesuffix("/v1")
