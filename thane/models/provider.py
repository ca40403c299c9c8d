"""What a model provider is: given messages and tools, it streams text or tool calls. The embedded brain is one too.

A provider holds no conversation. It decides nothing about fall-back or budgets; it streams faithfully or raises
`ModelError`. Every await in it is a place where the run may be cancelled, and cancelling closes the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

import msgspec

from thane.errors import DependencyError
from thane.turn import FinishReason, Message, Options, Text, Thinking, ToolCall, ToolSpec, Usage

type Waits = Callable[[bool], Awaitable[None]]
"""Told True when a call begins to wait for one of its provider's places, and False when it has one."""


class ModelRequest(msgspec.Struct, frozen=True):
    """One model call. `model` is the provider's own name for it.

    `tool_choice` is as in `Turn`, about `tools`. A provider whose server knows no such thing leaves it out: the agent
    looks at the answer all the same.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    options: Options = Options()
    language: str = "en"
    area: str = ""
    tool_choice: str = "auto"
    left_out: int = 0
    """Messages of the conversation that are not in it, for want of room in the model's window."""
    shortened: int = 0
    """Results of earlier tool calls of which only the beginning is in it."""
    waits: Waits | None = None


class ModelCalls(msgspec.Struct, frozen=True):
    """Tool calls, whole. A provider sends each call once, with an id."""

    calls: tuple[ToolCall, ...]


class ModelDone(msgspec.Struct, frozen=True):
    """The last item of every faithful stream; a stream that ends without it was cut. Durations in seconds."""

    usage: Usage
    finish_reason: FinishReason = "stop"
    prompt_duration: float | None = None
    decode_duration: float | None = None
    load_duration: float | None = None
    queue_duration: float = 0.0  # waited for one of the provider's places
    truncated_tokens: int = 0  # of the prompt, that the model was not shown: about, where the server does not say


type ModelOutput = Text | Thinking | ModelCalls | ModelDone
type ModelStream = AsyncIterator[tuple[ModelOutput, ...]]


class ModelInfo(msgspec.Struct, frozen=True):
    """A model that a provider has, as far as it tells, and as the owner has written it in `models.available`.

    `local`: it runs in this house, so nothing that is said to it leaves. `aliases` are other names that its provider
    takes for it, which clients may use too. `capabilities` are those that the server itself names, in Ollama's words.
    """

    name: str
    provider: str
    context_tokens: int = 0  # 0: unknown
    supports_tools: bool = True
    supports_thinking: bool = False
    supports_images: bool = False
    local: bool = True
    aliases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] | None = None  # None: it names none, which says nothing


class ModelError(DependencyError):
    """A model call failed: refused, cut, stalled, or an error in the stream. `message` is fit for a person.

    `status` is the server's HTTP status where there was one; `retry_after` the seconds after which it wants to be asked
    again, where it says so. `whole_server`: any other model of the same server would have failed alike, since it cannot
    be reached or does not let Thane in. Not for a cancelled call.
    """

    def __init__(
        self,
        message: str,
        *,
        dependency: str,
        temporary: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
        whole_server: bool = False,
    ) -> None:
        super().__init__(message, dependency=dependency, temporary=temporary)
        self.status = status
        self.retry_after = retry_after
        self.whole_server = whole_server


@runtime_checkable
class Counting(Protocol):
    """A provider that tells how it stands: one with a server behind it, whose places are few."""

    def statistics(self) -> object:
        """A struct of counters."""
        ...


class Provider(Protocol):
    """`name` is the configured name (`embedded`, `ollama`, …)."""

    @property
    def name(self) -> str: ...

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[ModelStream]:
        """Open a model call. Items come in batches of what arrived together, `ModelDone` last.

        Leaving the context, by an exception or not, closes the connection to the model server.
        Raises `ModelError` on entry or while iterating.
        """
        ...

    async def models(self) -> tuple[ModelInfo, ...]:
        """The models that it has now. Raises `ModelError` when it cannot be asked."""
        ...
