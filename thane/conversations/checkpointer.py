"""When checkpoints are made, and what a restore means for the conversations that are live.

Thane makes checkpoints by itself after every so many messages, when a model failed and another one took over, and when
it ends; those are pruned. What people ask for stays. Making and restoring them is `thane.memory.checkpoints`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import structlog
import trio

from thane.config import settings as config
from thane.conversations.live import LiveRun
from thane.conversations.shelf import Shelf
from thane.errors import ClientError, DependencyError
from thane.events.event import Publisher
from thane.memory.checkpoints import CheckpointRecord, Checkpoints, Difference, Part, unknown

OWN_TRIGGERS = ("periodic", "pre-failover", "pre-compact", "pre-restore", "shutdown")
"""Of the checkpoints that Thane makes by itself."""

_log = structlog.get_logger("thane.conversations")


class Holding(Protocol):
    """What is needed of the tracker: what runs, and the shelf."""

    @property
    def shelf(self) -> Shelf: ...

    def running(self) -> tuple[LiveRun, ...]: ...


class Checkpointer:
    """Makes checkpoints by request and by itself. `run` is a branch of the task tree."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        settings: config.Checkpoints,
        *,
        conversations: Holding,
        events: Publisher,
    ) -> None:
        self._checkpoints = checkpoints
        self._settings = settings
        self._conversations = conversations
        self._events = events
        self._newest: int | None = None  # message of the last checkpoint
        self._wanted = ""
        self._woken = trio.Event()
        self._turn = trio.Lock()  # restores and checkpoints come one after the other

    async def run(self) -> None:
        """Make the checkpoints that are due, at most one every `checkpoints.least_seconds`, for ever."""
        while True:
            try:
                await self.look()
            except DependencyError as error:
                _log.error("a checkpoint could not be made", error=error.message)
            await trio.sleep(self._settings.least_seconds)
            if not self._settings.every_messages:
                await self._woken.wait()

    async def look(self) -> CheckpointRecord | None:
        """Make the checkpoint that is due, if one is."""
        trigger, self._wanted = self._wanted, ""
        self._woken = trio.Event()
        newest = await self._checkpoints.newest_message()
        if self._newest is None:
            self._newest = newest  # what was there at the start is in an earlier one
        every = self._settings.every_messages
        if not trigger and every and newest - self._newest >= every:
            trigger = "periodic"
        return await self.create(trigger) if trigger else None

    def soon(self, trigger: str) -> None:
        """Ask for a checkpoint at the next look. Never blocks."""
        self._wanted = self._wanted or trigger
        self._woken.set()

    async def create(self, trigger: str, note: str = "") -> CheckpointRecord:
        """Make one now. Raises DependencyError when the disk fails."""
        async with self._turn:
            self._newest = await self._checkpoints.newest_message()
            record = await self._checkpoints.create(trigger, note, check=trigger not in OWN_TRIGGERS)
            if trigger in OWN_TRIGGERS:
                await self._checkpoints.prune(self._settings.keep, triggers=OWN_TRIGGERS)
        self._tell(record)
        return record

    async def at_shutdown(self) -> None:
        """The last one, within its time. To be called when no turn runs any more; never raises."""
        if not self._settings.at_shutdown:
            return
        with trio.move_on_after(self._settings.shutdown_seconds) as scope:
            try:
                await self.create("shutdown")
            except DependencyError as error:
                _log.error("the checkpoint at the end could not be made", error=error.message)
        if scope.cancelled_caught:
            _log.warning("there was no time for a checkpoint at the end (checkpoints.shutdown_seconds)")

    async def compare(self, checkpoint_id: str, only: Iterable[str] = ()) -> Difference:
        """What a restore would do. Raises ClientError (404) for an unknown checkpoint."""
        if await self._checkpoints.get(checkpoint_id) is None:
            raise unknown()
        return await self._checkpoints.compare(checkpoint_id, frozenset(only))

    async def restore(
        self, checkpoint_id: str, only: Iterable[str] = (), *, force: bool = False
    ) -> tuple[Difference, CheckpointRecord]:
        """Go back. Returns what was done, and the checkpoint of how it was before.

        Raises ClientError: 404 for an unknown checkpoint, 409 while a turn runs in a conversation that it touches,
        unless `force`, which stops those turns.
        """
        chosen = frozenset(only)
        async with self._turn:
            planned = await self.compare(checkpoint_id, chosen)
            # A conversation that has just begun may not be stored yet; a restore of everything touches it all the same.
            running = {run.conversation_id for run in self._conversations.running() if run.conversation_id}
            busy = sorted(running & set(planned.touched) if chosen else running)
            if busy and not force:
                raise ClientError(
                    f"a turn runs in {', '.join(busy)}: wait for it, or restore with `force`, which stops it",
                    status=409,
                    code="conversation_busy",
                )
            shelf = self._conversations.shelf
            await shelf.withdraw({*planned.touched, *busy}, "restored")
            done: tuple[Difference, CheckpointRecord] | None = None
            # Shielded, for the database goes through with it even when nobody waits, and then all must be told.
            with trio.move_on_after(self._settings.restore_seconds, shield=True):
                done = await self._checkpoints.restore(checkpoint_id, chosen)
                await shelf.withdraw(done[0].touched, "restored")  # who came in between begins anew as well
        if done is None:
            raise DependencyError(
                f"The restore took longer than {self._settings.restore_seconds:g} s (checkpoints.restore_seconds). It "
                "goes on; restart Thane when it is done.",
                dependency="database",
            )
        difference, before = done
        damaged = sum(each.change == "damaged" for each in difference.changes)
        self._events.publish(
            "system",
            "checkpoint_restored",
            checkpoint_id=checkpoint_id,
            before_id=before.id,
            conversations=list(difference.touched),
            changed=len(difference.changes) - damaged,
            damaged=damaged,
        )
        return difference, before

    async def adopt(self, note: str, created_at: float, parts: Iterable[Part]) -> CheckpointRecord:
        """Take in one that was made elsewhere."""
        record = await self._checkpoints.adopt("import", note, created_at, parts)
        self._tell(record)
        return record

    def _tell(self, record: CheckpointRecord) -> None:
        self._events.publish(
            "system",
            "checkpoint_created",
            checkpoint_id=record.id,
            trigger=record.trigger,
            note=record.note,
            conversations=record.conversation_count,
            messages=record.message_count,
            byte_size=record.byte_size,
        )
