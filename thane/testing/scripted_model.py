"""A model provider for tests that plays scripts in memory: no sockets, so a `MockClock` may drive it.

    provider = ScriptedModel(say("On it."), [calls(("HassTurnOn", {"name": "Lamp"}))], say("Done."))
    catalogue = Catalogue([provider])

A script is a list of batches, pauses (a float, in seconds) and errors to raise. One without a `ModelDone` gets one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import trio

from thane.models.provider import ModelCalls, ModelDone, ModelInfo, ModelOutput, ModelRequest, ModelStream, Provider
from thane.turn import JSON, FinishReason, Text, ToolCall, Usage

type Batch = tuple[ModelOutput, ...]
type Script = Sequence[Batch | float | Exception]

_numbers = count(1)


def say(*pieces: str, reason: FinishReason = "stop", usage: Usage | None = None) -> Script:
    """An answer, each piece in a batch of its own; 10 tokens in and one for each piece out, unless told otherwise."""
    done = ModelDone(usage or Usage(10, len(pieces)), reason, 0.1, 0.2, 0.0)
    return [*((Text(piece),) for piece in pieces), (done,)]


def calls(*wanted: tuple[str, JSON]) -> Batch:
    """A batch that calls tools, with ids that no other call has."""
    return (ModelCalls(tuple(ToolCall(f"call_{next(_numbers)}", name, arguments) for name, arguments in wanted)),)


class ScriptedModel:
    """Plays its scripts in order, one a call; the last one again and again. Records requests and open calls.

    `supports_tools` is what `models` tells; with `forgets_the_end` no `ModelDone` is added.
    """

    def __init__(
        self, *scripts: Script, name: str = "ollama", models: tuple[str, ...] = ("qwen3:4b",), understands: str = ""
    ) -> None:
        """`models` are those that it `has`.

        `understands` are words that `recognise` looks for in the last user message, as the embedded brain would.
        """
        self._name = name
        self._scripts = list(scripts)
        self.has = models
        self._understands = understands
        self.supports_tools = True
        self.forgets_the_end = False
        self.requests: list[ModelRequest] = []
        self.open = 0

    @property
    def name(self) -> str:
        return self._name

    def then(self, *scripts: Script) -> None:
        """More scripts, after the others."""
        self._scripts.extend(scripts)

    def replace(self, *scripts: Script) -> None:
        """These scripts, in place of what is left of the others."""
        self._scripts = list(scripts)

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        self.requests.append(request)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self.open += 1
        try:
            await trio.lowlevel.checkpoint()
            if script and isinstance(script[0], Exception):
                raise script[0]
            yield _Playing(script, ended=self.forgets_the_end)
        finally:
            self.open -= 1

    async def models(self) -> tuple[ModelInfo, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(ModelInfo(name, self._name, supports_tools=self.supports_tools) for name in self.has)

    async def recognise(self, request: ModelRequest) -> Provider | None:
        await trio.lowlevel.checkpoint()
        said = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
        return self if self._understands and self._understands in said else None


class _Playing:
    def __init__(self, script: Iterable[Batch | float | Exception], *, ended: bool) -> None:
        self._steps = iter(script)
        self._done = ended

    def __aiter__(self) -> _Playing:
        return self

    async def __anext__(self) -> Batch:
        await trio.lowlevel.checkpoint()
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float | int):
                await trio.sleep(step)
                continue
            self._done = self._done or any(isinstance(item, ModelDone) for item in step)
            return step
        if not self._done:
            self._done = True
            return (ModelDone(Usage(10, 1)),)
        raise StopAsyncIteration
