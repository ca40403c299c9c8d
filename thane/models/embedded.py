"""The embedded brain as a model provider: the model that is always there, local, and never makes anything up.

It behaves as any provider does: messages and tools in, text or tool calls out. What it can say and do is in
`thane.brain`; here it only gets a thread to think in and a house to know of.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from typing import Self

import trio

from thane.brain.brain import Act, Brain, Question, Say
from thane.brain.known import know_house
from thane.clock import Clock
from thane.config import settings
from thane.home.house import House
from thane.ids import Ids
from thane.models.provider import (
    ModelCalls,
    ModelDone,
    ModelError,
    ModelInfo,
    ModelOutput,
    ModelRequest,
    ModelStream,
    Provider,
)
from thane.turn import Message, Text, ToolCall, ToolSpec, Usage

NAME = "embedded"
_PIECES = re.compile(r"\S+\s*|\s+")
_CHARS_PER_TOKEN = 4


class EmbeddedProvider:
    """Provider `embedded` with the one model `embedded`.

    `house` gives Thane's own house, if there is one now; `own_tools` the tools that act on it, so that a client's tools
    of the same names are told apart. `zone` is where times are told; None is the machine's.
    """

    name = NAME

    def __init__(
        self,
        limits: settings.Brain,
        *,
        clock: Clock,
        ids: Ids,
        zone: tzinfo | None = None,
        house: Callable[[], House | None] = lambda: None,
        own_tools: Callable[[], tuple[ToolSpec, ...]] = tuple,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._ids = ids
        self._zone = zone
        self._house = house
        self._own_tools = own_tools
        self._brain = Brain(limits)
        self._one = trio.CapacityLimiter(1)  # the brain thinks of one turn at a time; threads gain nothing

    async def prepare(self, language: str) -> None:
        """Get a language ready before the first sentence; some tenths of a second in a thread."""
        await trio.to_thread.run_sync(self._brain.prepare, language, limiter=self._one, abandon_on_cancel=True)

    async def models(self) -> tuple[ModelInfo, ...]:
        return (ModelInfo(NAME, NAME),)

    async def recognise(self, request: ModelRequest) -> Provider | None:
        """Look whether the brain does this turn, or its tool round, as well as any model: a few milliseconds.

        What it found comes as a provider that answers this very request without thinking again. None too for what it
        answers only for want of a model: facts of the conversation, and anything not understood.
        """
        if request.options.format is not None:
            return None
        thought = await self._think(request, explain=False)
        if isinstance(thought, Act) or (thought.sure and (self._limits.greeting or not thought.chat)):
            return _Understood(self, request, self._output(request, thought))
        return None

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        """Answer a turn. Raises ModelError for a request that wants JSON by a schema, which only a model can give."""
        if request.options.format is not None:
            raise ModelError(
                "The embedded brain cannot fill in a JSON schema. Name a language model as `models.default` in the "
                "configuration.",
                dependency=NAME,
                temporary=False,
            )
        yield _Replay(self._output(request, await self._think(request, explain=True)))

    async def _think(self, request: ModelRequest, *, explain: bool) -> Say | Act:
        house = self._house()
        seen = (house.entities(), house.areas()) if house else ((), ())
        now = datetime.fromtimestamp(self._clock.time(), self._zone)
        own = self._own_tools()

        def think() -> Say | Act:
            question = Question(
                request.messages,
                request.tools,
                request.language,
                now,
                know_house(*seen, request.area),
                own,
                request.area,
            )
            return self._brain.think(question, explain=explain)

        return await trio.to_thread.run_sync(think, limiter=self._one, abandon_on_cancel=True)

    def _output(self, request: ModelRequest, thought: Say | Act) -> tuple[ModelOutput, ...]:
        if isinstance(thought, Act):
            calls = tuple(ToolCall(self._ids.call(), step.tool, step.arguments) for step in thought.steps)
            said = "".join(f"{call.name}{call.arguments}" for call in calls)
            return ModelCalls(calls), ModelDone(_usage(request.messages, said), "tool_calls")
        pieces = tuple(Text(piece) for piece in _PIECES.findall(thought.text))
        return *pieces, ModelDone(_usage(request.messages, thought.text))


class _Understood:
    """The embedded brain with one request already thought through; every other request is the brain's own."""

    name = NAME

    def __init__(self, brain: EmbeddedProvider, request: ModelRequest, output: tuple[ModelOutput, ...]) -> None:
        self._brain = brain
        self._request = request
        self._output: tuple[ModelOutput, ...] | None = output

    async def models(self) -> tuple[ModelInfo, ...]:
        return await self._brain.models()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        output, self._output = self._output, None  # once: a second step has more to think of
        if output is not None and request == self._request:
            yield _Replay(output)
            return
        async with self._brain.stream(request) as stream:
            yield stream


class _Replay:
    """An answer that is already there, in one batch."""

    def __init__(self, output: tuple[ModelOutput, ...]) -> None:
        self._output: tuple[ModelOutput, ...] | None = output

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[ModelOutput, ...]:
        await trio.lowlevel.checkpoint()
        output, self._output = self._output, None
        if output is None:
            raise StopAsyncIteration
        return output


def _usage(messages: tuple[Message, ...], said: str) -> Usage:
    """Tokens as a model would count them, about: it has none of its own."""
    read = sum(len(message.content) for message in messages)
    return Usage(-(-read // _CHARS_PER_TOKEN), -(-len(said) // _CHARS_PER_TOKEN), estimated=True)
