"""Answers the tasks of loops whose work is a model's: each is a turn without a conversation, counted like any other.

The reference's hints (REFERENCE 4.4) become a profile: what must stay in the house is asked of local models, a look
from above of the best one, whoever names a `profile` gets that, and a `quality_floor` is the router's to weigh.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from thane.errors import ClientError
from thane.loops.iteration import Iteration, IterationFailed
from thane.loops.task import Ask
from thane.turn import Batch, Caller, Message, RunFailed, RunFinished, Turn

LOCAL = "thane:local"
BEST = "thane:premium"
DEFAULT = "thane:latest"


class _Opened(Protocol):
    @property
    def run_id(self) -> str: ...

    @property
    def batches(self) -> _Batches: ...


class _Batches(Protocol):
    def __aiter__(self) -> _Batches: ...

    async def __anext__(self) -> Batch: ...


class _Conversations(Protocol):
    def open(self, turn: Turn, within: Iteration | None = None) -> AbstractAsyncContextManager[_Opened]: ...


class TaskRunner:
    """A `thane.loops.task.Runner` on the tracker."""

    def __init__(self, conversations: _Conversations) -> None:
        self._conversations = conversations

    async def __call__(self, ask: Ask, iteration: Iteration) -> str:
        """The answer. Raises IterationFailed when there is none; a run that somebody cancelled has an empty one."""
        turn = Turn(
            messages=(Message("user", ask.text),),
            model=profile(ask.hints),
            caller=Caller(user_agent=f"loop {ask.loop_name}"),
            exclude_tools=ask.exclude_tools,
            tags=ask.tags,
            quality_floor=quality_floor(ask.hints),
        )
        final: object = None
        try:
            async with self._conversations.open(turn, iteration) as opened:
                iteration.run_id = opened.run_id
                async for batch in opened.batches:
                    final = batch[-1]
        except ClientError as error:
            raise IterationFailed(error.message) from error
        if isinstance(final, RunFinished):
            return final.text
        if isinstance(final, RunFailed) and final.failure != "cancelled":
            raise IterationFailed(final.message)
        return ""


def profile(hints: Mapping[str, str]) -> str:
    """The profile that these hints ask for."""
    if named := hints.get("profile"):
        return named
    if hints.get("local_only") == "true":
        return LOCAL
    return BEST if hints.get("supervisor") == "true" else DEFAULT


def quality_floor(hints: Mapping[str, str]) -> int:
    """The quality that these hints wish for, 0 for none. One that is no whole number is none: hints are free texts."""
    wished = hints.get("quality_floor", "").strip()
    return int(wished) if wished.isascii() and wished.isdigit() else 0
