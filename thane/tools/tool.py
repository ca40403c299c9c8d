"""What a tool of Thane's own is, and the registry that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import msgspec

from thane.turn import JSON, Channel, ToolSpec


class ToolContext(msgspec.Struct, frozen=True):
    """What a tool may know of the run that calls it. Never another conversation.

    `provider` and `model` are the model that calls; `local_only`: nothing of this may leave the house. `seconds_left`
    until the run's time is up, which cuts no tool short: it is for those that hand work on.
    """

    run_id: str
    call_id: str
    conversation_id: str
    channel: Channel
    language: str
    area: str = ""
    user: str = ""
    device: str = ""
    provider: str = ""
    model: str = ""
    local_only: bool = False
    seconds_left: float = math.inf


class ToolResult(msgspec.Struct, frozen=True):
    """`content` goes to the model as it is (JSON text for structured results); `ok` says whether it worked."""

    content: str
    ok: bool = True


class Tool(Protocol):
    @property
    def spec(self) -> ToolSpec: ...

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        """Do it. Bad arguments are a `ToolResult` with `ok=False` that says what was wrong, never an exception.

        The engine gives each call a deadline and turns an exception into a failed result.
        """
        ...


@runtime_checkable
class Slow(Protocol):
    """A tool with a deadline of its own for each call, in place of the engine's."""

    @property
    def timeout_seconds(self) -> float: ...


class ToolRegistry:
    """Tools by name. Order is the order of registration, and stable: a model server can cache the prompt."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._tags: dict[str, frozenset[str]] = {}
        for tool in tools:
            self.register(tool)

    def register(self, tool: Tool, *tags: str) -> None:
        """Add a tool, under the capabilities that it belongs to. Raises ValueError when the name is taken."""
        name = tool.spec.name
        if name in self._tools:
            raise ValueError(f"a tool named {name!r} is registered already")
        self._tools[name] = tool
        self._tags[name] = frozenset(tags)

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def specs(self, tags: Iterable[str] = ()) -> tuple[ToolSpec, ...]:
        """All of them; with `tags`, those of these capabilities, and those that belong to none."""
        wanted = frozenset(tags)
        return tuple(
            tool.spec
            for name, tool in self._tools.items()
            if not wanted or not self._tags[name] or wanted & self._tags[name]
        )

    def names(self) -> frozenset[str]:
        return frozenset(self._tools)
