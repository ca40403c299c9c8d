"""An agent with its surroundings, and tools that do as they are told."""

from __future__ import annotations

import random
from typing import Any

import trio

from thane.agent.context import RunContext
from thane.agent.engine import Agent
from thane.config import settings as config
from thane.models.catalogue import Catalogue
from thane.testing.clock import TrioClock
from thane.testing.scripted_model import ScriptedModel, say
from thane.tools.tool import ToolContext, ToolRegistry, ToolResult
from thane.turn import (
    JSON,
    AgentEvent,
    Batch,
    Caller,
    Message,
    RunFailed,
    RunFinished,
    Text,
    ToolSpec,
    Turn,
)

CONTEXT = RunContext("r_1", "c_1", "thane:latest", Caller("ha", area="Kitchen", user="Ann", device="d"), "en")


ASSIST = (ToolSpec("intent__HassTurnOn"), ToolSpec("homeassistant__GetLiveContext"))


ON = ToolResult("on")


class Lamp:
    """A tool of Thane's own that records its calls, and can be slow, broken or long-winded."""

    def __init__(self, name: str = "HassTurnOn", result: ToolResult | Exception | float = ON) -> None:
        self._spec = ToolSpec(name)
        self.result = result
        self.seen: list[tuple[JSON, ToolContext]] = []
        self.running = self.most = 0

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        self.seen.append((arguments, context))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.lowlevel.checkpoint()
            if isinstance(self.result, Exception):
                raise self.result
            if isinstance(self.result, float | int):
                await trio.sleep(self.result)
                return ToolResult(f"slept for {arguments}")
            return self.result
        finally:
            self.running -= 1


class Stage:
    """An agent with its surroundings, and what came out of it."""

    def __init__(
        self,
        model: ScriptedModel,
        *tools: Lamp,
        brain: ScriptedModel | None = None,
        default: str = "qwen3:4b",
        fast_path: bool = True,
        available: tuple[config.AvailableModel, ...] = (),
        others: tuple[ScriptedModel, ...] = (),
        routing: config.Routing | None = None,
        profiles: dict[str, config.ProfileSettings] | None = None,
        **agent: Any,
    ) -> None:
        self.model = model
        self.brain = brain or ScriptedModel(say("I am embedded."), name="embedded", models=("embedded",))
        self.catalogue = Catalogue([self.brain, model, *others])
        self.agent = Agent(
            settings=config.Settings(
                models=config.Models(default=default, available=available),
                brain=config.Brain(fast_path=fast_path),
                agent=config.Agent(**agent),
                routing=routing or config.Routing(),
                profiles=profiles or {},
            ),
            catalogue=self.catalogue,
            tools=ToolRegistry(tools),
            house=None,
            clock=TrioClock(),
            source=random.Random(1),
        )
        self.batches: list[Batch] = []

    @property
    def events(self) -> list[AgentEvent]:
        return [event for batch in self.batches for event in batch]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def send(self, batch: Batch) -> None:
        await trio.lowlevel.checkpoint()
        self.batches.append(batch)

    async def ask(self, said: str = "hi", *, context: RunContext = CONTEXT, **turn: Any) -> RunFinished | RunFailed:
        turn.setdefault("messages", (Message("user", said),))
        return await self.agent.run(Turn(**turn), context, self.send)

    async def answered(self, said: str = "hi", **turn: Any) -> RunFinished:
        end = await self.ask(said, **turn)
        assert isinstance(end, RunFinished), end
        assert self.text == end.text
        return end

    async def failed(self, said: str = "hi", **turn: Any) -> RunFailed:
        end = await self.ask(said, **turn)
        assert isinstance(end, RunFailed), end
        return end
