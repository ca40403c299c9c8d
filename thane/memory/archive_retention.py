"""Keeps the archive within its age and its size: what was said longest ago goes first, a session after the other.

Called by the branch of `thane.memory.retention`. Facts, what they are of, and what was paid for stay. Not here: the
limits of runs and prompts alone, and the checkpoints that people made, which keep what they hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

import msgspec
import structlog

from thane.clock import Clock
from thane.config import settings
from thane.memory.checkpoints import Checkpoints
from thane.storage import event_rows, log_rows, prompt_rows, sweep_rows
from thane.storage.database import Database
from thane.storage.file_size import FileSize, file_size, give_back
from thane.storage.indexes import merge_indexes

DAY = 86_400.0
_STEP_BYTES = 1_048_576  # given back to the disk in one transaction: about 3 ms
_WORDS = 100  # looked at together; deleting as many takes about 10 ms

_MERGED = 100  # pages of the indexes of words that are written together in one transaction
_PART = 20  # one in so many messages that were deleted is worth that
_ALL_AT_ONCE = 1_048_576  # bytes too many that are not approached in steps
_BLOCKS = 20  # of events, deleted in one transaction
_KEPT = 2000  # events, and log lines, that are not given up for size

_log = structlog.get_logger("thane.memory")


class ArchiveSwept(msgspec.Struct, frozen=True):
    """What one look has deleted, of what and how much; `given_back` bytes are the disk's again. `used_bytes` and
    `file_bytes` are what the database needs, and what it takes, now."""

    sessions: int = 0
    conversations: int = 0
    messages: int = 0
    runs: int = 0
    prompts: int = 0
    checkpoints: int = 0
    events: int = 0
    log_lines: int = 0
    freed_bytes: int = 0
    given_back: int = 0
    used_bytes: int = 0
    file_bytes: int = 0

    @property
    def is_worth_telling(self) -> bool:
        said = self.sessions or self.conversations or self.messages
        return bool(said or self.prompts or self.checkpoints or self.events or self.log_lines)


class ArchiveRetention:
    """Made once. `live` names the conversations that go on now.

    `own_triggers` are those of the checkpoints that Thane makes by itself; `batch` rows go in one transaction.
    """

    def __init__(
        self,
        database: Database,
        archive: settings.Archive,
        storage: settings.Storage,
        clock: Clock,
        *,
        checkpoints: Checkpoints,
        own_triggers: Collection[str],
        live: Callable[[], Collection[str]],
        batch: int,
    ) -> None:
        self._database = database
        self._archive = archive
        self._storage = storage
        self._clock = clock
        self._checkpoints = checkpoints
        self._own_triggers = own_triggers
        self._live = live
        self._batch = batch
        self._told_too_big = False
        self._unmerged = 0  # messages that were deleted since the indexes of words were written together

    async def sweep(self) -> ArchiveSwept:
        """Delete what is too old, then what is oldest for as long as the database is too big."""
        before = await self._database.read(file_size)
        now, gone = self._clock.time(), sweep_rows.Gone()
        prompts = checkpoints = events = lines = 0
        if self._archive.keep_days:
            limit = now - self._archive.keep_days * DAY
            gone = await self._sessions(limit, until=lambda _: False)
            checkpoints = await self._checkpoints.prune(0, triggers=self._own_triggers, before=limit)
            events = await self._until_done(lambda c: event_rows.delete_blocks_before(c, limit, _BLOCKS))
            await self._merge(gone)
        if await self._too_much():
            checkpoints += await self._checkpoints.prune(1, triggers=self._own_triggers)
            prompts = await self._prompts(now)
            events += await self._while_too_big(lambda c: event_rows.delete_oldest_blocks(c, _KEPT, _BLOCKS))
            lines = await self._while_too_big(
                lambda c: log_rows.prune(c, chatter_before=0, before=0, info=0, keep=_KEPT, most=self._batch)
            )
            gone = _sum(gone, await self._make_room(now - self._archive.spare_days * DAY))
        if gone.messages:
            await self._words()
        given_back = await self._give_back()
        after = await self._database.read(file_size)
        self._tell_if_too_big(after)
        freed = max(0, before.used - after.used)
        return ArchiveSwept(*gone, prompts, checkpoints, events, lines, freed, given_back, after.used, after.file)

    async def _too_much(self) -> int:
        """How many bytes there are too many."""
        most = self._storage.max_bytes
        return max(0, (await self._database.read(file_size)).used - most) if most else 0

    async def _make_room(self, before: float) -> sweep_rows.Gone:
        """Delete the oldest sessions until it fits: the most of what is too much, then the most of the rest.

        What is deleted takes room in the index of words until that is written together, and nothing is to go for that.
        """
        total = sweep_rows.Gone()
        while too_much := await self._too_much():
            rest = too_much * 2 // 5 if too_much > _ALL_AT_ONCE else 0
            enough = self._storage.max_bytes + rest
            gone = await self._sessions(before, until=lambda size, enough=enough: size.used <= enough)
            if not any(gone):
                break
            total = _sum(total, gone)
            await self._merge(gone)
        return total

    async def _merge(self, gone: sweep_rows.Gone) -> None:
        """Write the indexes of words together once a good part of what is in them was deleted.

        All of them is written for that, so it is not done for the few sessions of an hour: those go in time anyway.
        """
        self._unmerged += gone.messages
        if self._unmerged * _PART <= await self._database.read(sweep_rows.count_messages):
            return
        self._unmerged, pages = 0, -_MERGED
        while await self._database.write(lambda c, pages=pages: merge_indexes(c, pages)):
            pages = _MERGED

    async def _until_done(self, delete: Callable[[sqlite3.Connection], int]) -> int:
        total = 0
        while gone := await self._database.write(delete):
            total += gone
        return total

    async def _while_too_big(self, delete: Callable[[sqlite3.Connection], int]) -> int:
        total = 0
        while await self._too_much() and (gone := await self._database.write(delete)):
            total += gone
        return total

    def _is_too_big(self, size: FileSize) -> bool:
        return bool(self._storage.max_bytes) and size.used > self._storage.max_bytes

    def _tell_if_too_big(self, size: FileSize) -> None:
        too_big = self._is_too_big(size)
        if too_big and not self._told_too_big:
            _log.warning(
                "the database is larger than storage.max_bytes, and nothing is left that may go: the rest is younger "
                "than archive.spare_days, goes on, or is not the archive's",
                used_bytes=size.used,
                max_bytes=self._storage.max_bytes,
            )
        self._told_too_big = too_big

    async def _sessions(self, before: float, *, until: Callable[[FileSize], bool]) -> sweep_rows.Gone:
        """Delete the sessions before this time, oldest first, a part of one in each transaction; turns get in between.

        `until` says of the size whether that is enough.
        """
        total = sweep_rows.Gone()
        while True:
            live = self._live()

            def step(connection: sqlite3.Connection, live: Collection[str] = live) -> sweep_rows.Gone:
                if until(file_size(connection)):
                    return sweep_rows.Gone()
                return sweep_rows.delete_oldest(connection, before, live, self._batch)

            gone = await self._database.write(step)
            if not any(gone):
                return total
            total = _sum(total, gone)
            await self._unused()

    async def _prompts(self, now: float) -> int:
        """Delete the oldest prompts for as long as it is too big: they only explain what was said."""
        total = 0
        while await self._too_much():
            gone = await self._database.write(lambda c: prompt_rows.delete_prompts_before(c, now, self._batch))
            if not gone:
                break
            total += gone
            await self._unused()
        return total

    async def _unused(self) -> None:
        """Delete the texts of prompts that are no one's any more."""
        while (await self._database.write(lambda c: prompt_rows.sweep_unused(c, self._batch)))[1]:
            pass

    async def _words(self) -> None:
        """Delete the words, for misspelt ones to be found by, that are in no message any more."""
        last = 0
        while True:
            unsaid, last = await self._database.read(lambda c, last=last: sweep_rows.unsaid_words(c, last, _WORDS))
            if not last:
                return
            if unsaid:
                await self._database.write(lambda c, unsaid=unsaid: sweep_rows.delete_words(c, unsaid))

    async def _give_back(self) -> int:
        total = 0
        while gone := await self._database.write(lambda c: give_back(c, self._storage.spare_bytes, _STEP_BYTES)):
            total += gone
        if total:
            await self._database.settle()
        return total


def _sum(one: sweep_rows.Gone, other: sweep_rows.Gone) -> sweep_rows.Gone:
    return sweep_rows.Gone(*(a + b for a, b in zip(one, other, strict=True)))
