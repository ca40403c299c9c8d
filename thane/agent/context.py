"""What a run is given besides its turn: who asks, how far it may go, and who started it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import msgspec

from thane.agent.window import Recap
from thane.models.provider import ModelRequest, Provider
from thane.turn import Caller


class RunLimits(msgspec.Struct, frozen=True):
    """How far a run may go. `output_tokens` counts what all its models write; None is as much as they like."""

    max_steps: int
    seconds: float
    tool_seconds: float
    output_tokens: int | None = None


class RunContext(msgspec.Struct, frozen=True):
    """What the turn does not say of its run. `language` is a BCP 47 tag, `profile` the name that events tell.

    A delegated run has the `parent_run_id` of the turn that handed it over, `limits` of its own, is `local_only` where
    that turn was, and should not go to the model `instead_of` (provider and name) that handed it over.
    """

    run_id: str
    conversation_id: str
    profile: str
    caller: Caller
    language: str
    limits: RunLimits | None = None
    local_only: bool = False
    parent_run_id: str = ""
    handoff: str = ""
    """What the conversation's last session wants this one to be told."""
    recap: Callable[[], Awaitable[Recap]] | None = None
    """Asked only where not all of the turn's messages have room in a model's window."""
    facts: Callable[[], Awaitable[str]] | None = None
    """What is remembered that has to do with this turn, in a line; asked once, for a model that will be told."""
    instead_of: tuple[str, str] = ("", "")


@runtime_checkable
class Recogniser(Protocol):
    """A provider that knows beforehand whether it understands a request, as the embedded brain does."""

    async def recognise(self, request: ModelRequest) -> Provider | None:
        """One that answers this request as it was understood just now; None where it is not fully understood."""
        ...
