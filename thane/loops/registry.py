"""The loops that are alive: spawned, found, stopped and shown. Their tasks run in a nursery that the registry owns."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import trio

from thane.clock import Clock
from thane.config import settings
from thane.events.event import Publisher
from thane.ids import Ids
from thane.loops.loop import Loop, LoopSpec
from thane.loops.status import LoopState, LoopStatus
from thane.loops.task import Runner


class RegistryStatistics(msgspec.Struct, frozen=True):
    """`states` counts the living loops by state; the other two count since the start."""

    live: int
    states: dict[LoopState, int]
    started: int
    stopped: int


class LoopRegistry:
    """Loops by id, in the order in which they started. Made by `open_registry`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        limits: settings.Loops,
        *,
        events: Publisher,
        clock: Clock,
        ids: Ids,
        source: random.Random,
    ) -> None:
        self._nursery = nursery
        self._limits = limits
        self._events = events
        self._clock = clock
        self._ids = ids
        self._random = source
        self._runner: Runner | None = None
        self._loops: dict[str, Loop] = {}
        self._started = 0
        self._stopped = 0

    def run_tasks_with(self, runner: Runner) -> None:
        """Say who does the tasks of loops whose work is a model's. Before, such loops are refused."""
        self._runner = runner

    def spawn(self, spec: LoopSpec) -> Loop:
        """Start a loop. Raises ValueError for a spec that makes no sense or names a parent that is not alive, and
        whatever its `setup` raises."""
        if spec.parent_id and spec.parent_id not in self._loops:
            raise ValueError(f"the loop {spec.name!r} has no living parent {spec.parent_id!r}")
        loop = Loop(
            spec,
            loop_id=self._ids.uuid7(),
            events=self._events,
            clock=self._clock,
            source=self._random,
            recent=self._limits.recent,
            runner=self._runner,
        )
        if spec.setup is not None:
            spec.setup()
        self._nursery.start_soon(self._run, loop, name=f"loop {spec.name}")
        self._loops[loop.id] = loop
        self._started += 1
        loop.announce()
        return loop

    def get(self, loop_id: str) -> Loop | None:
        return self._loops.get(loop_id)

    def named(self, name: str) -> Loop | None:
        """The oldest living loop of this name: names need not be unique."""
        return next((loop for loop in self._loops.values() if loop.name == name), None)

    def statuses(self) -> tuple[LoopStatus, ...]:
        """Every living loop, oldest first."""
        return tuple(loop.status() for loop in self._loops.values())

    def statistics(self) -> RegistryStatistics:
        states: dict[LoopState, int] = {}
        for loop in self._loops.values():
            states[loop.state] = states.get(loop.state, 0) + 1
        return RegistryStatistics(len(self._loops), states, self._started, self._stopped)

    async def stop(self, loop_id: str, reason: str) -> bool:
        """Stop a loop and all below it, children before parents, and wait until they have ended.

        Returns whether they ended within `loops.stop_seconds`; those that did not stay listed until they do.
        Raises LookupError for an id that is not alive.
        """
        if loop_id not in self._loops:
            raise LookupError(f"there is no loop {loop_id!r}")
        return await self._stop(self._family(loop_id), reason)

    async def stop_all(self, reason: str) -> bool:
        """Stop every loop, as `stop` does."""
        roots = [loop.id for loop in self._loops.values() if loop.parent_id not in self._loops]
        return await self._stop([loop for root in roots for loop in self._family(root)], reason)

    def _family(self, loop_id: str) -> list[Loop]:
        """A loop and all below it, children before parents."""
        children = [loop.id for loop in self._loops.values() if loop.parent_id == loop_id]
        return [*(loop for child in children for loop in self._family(child)), self._loops[loop_id]]

    async def _stop(self, loops: list[Loop], reason: str) -> bool:
        for loop in loops:
            loop.stop(reason)
        with trio.move_on_after(self._limits.stop_seconds) as deadline:
            for loop in loops:
                await loop.wait_ended()
        return not deadline.cancelled_caught

    async def _run(self, loop: Loop) -> None:
        try:
            await loop.run()
        finally:
            del self._loops[loop.id]
            self._stopped += 1


@asynccontextmanager
async def open_registry(
    limits: settings.Loops, *, events: Publisher, clock: Clock, ids: Ids, source: random.Random
) -> AsyncGenerator[LoopRegistry]:
    """A registry whose loops all end when the block does: first asked to, then, after a deadline, cancelled."""
    async with trio.open_nursery() as nursery:
        registry = LoopRegistry(nursery, limits, events=events, clock=clock, ids=ids, source=source)
        try:
            yield registry
        finally:
            with trio.CancelScope(shield=True):
                await registry.stop_all("shutdown")  # has a deadline of its own
            nursery.cancel_scope.cancel("shutdown")
