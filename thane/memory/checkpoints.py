"""Checkpoints: making them, looking at them, and going back to one.

A checkpoint is a list of parts, one for each conversation and for each subject of facts: its rows as JSON, packed, and
named by the SHA-256 of what is in it. So parts that did not change since the last checkpoint are the same blob, and a
damaged blob is found, named and left out while the others still work. Who makes checkpoints when, and who is told that
one was restored, is `thane.conversations.checkpointer`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

import msgspec

from thane.clock import Clock
from thane.errors import ClientError
from thane.ids import Ids
from thane.memory.blobs import State, packed, unpacked
from thane.memory.query import words_of
from thane.memory.spool import Parts, Spool
from thane.storage import checkpoint_rows, fact_rows, search_rows
from thane.storage.database import Database

CONVERSATION = "conversation"


class CheckpointRecord(msgspec.Struct, frozen=True):
    """`byte_size` is what its parts take, packed, shared ones included. `created_at` is epoch seconds."""

    id: str
    created_at: float
    trigger: str
    note: str
    conversation_count: int
    message_count: int
    fact_count: int
    byte_size: int


class Part(msgspec.Struct, frozen=True):
    """One thing in a checkpoint. `state` is None when its blob is damaged or gone."""

    kind: str
    name: str
    hash: str
    state: State | None


class Change(msgspec.Struct, frozen=True):
    """What a restore would do, or has done, to one thing: `back` (it is not there now), `changed`, `removed`, `same`,
    or `damaged` (left as it is now). The counts are of messages, or of facts."""

    kind: str
    name: str
    title: str
    change: str
    rows_now: int
    rows_then: int
    added: int
    removed: int


class Difference(msgspec.Struct, frozen=True):
    """All that differs between a checkpoint and now."""

    checkpoint_id: str
    changes: tuple[Change, ...]
    same: int

    @property
    def touched(self) -> tuple[str, ...]:
        """The conversations that a restore changes, brings back or removes."""
        return tuple(each.name for each in self.changes if each.kind == CONVERSATION and each.change != "damaged")


class Kind(msgspec.Struct, frozen=True):
    """How one kind of part is read, put back and taken away, and how its rows are told apart."""

    table: str
    stamps: Callable[[sqlite3.Connection], Iterable[tuple[str, str]]]
    read: Callable[[sqlite3.Connection, str], State]
    replace: Callable[[sqlite3.Connection, str, checkpoint_rows.Rows], None]
    remove: Callable[[sqlite3.Connection, str], None]
    conversation: Callable[[str], str]
    """The conversation that a part of this name belongs to; "" for none."""


CONVERSATIONS = Kind(
    "messages",
    checkpoint_rows.stamps,
    checkpoint_rows.conversation_rows,
    checkpoint_rows.replace_conversation,
    checkpoint_rows.remove_conversation,
    lambda name: name,
)


def _conversation_of_facts(name: str) -> str:
    scope, _, subject = name.partition(":")
    return subject if scope == "conversation" else ""


FACTS = Kind("facts", fact_rows.stamps, fact_rows.rows_of, fact_rows.replace, fact_rows.remove, _conversation_of_facts)
"""A part for each person, for each conversation that has any, and for the house."""


class _Head(msgspec.Struct, frozen=True):
    """What a checkpoint begins with, before what is in it is known."""

    id: str
    created_at: float
    trigger: str
    note: str


class _Contents:
    """What a checkpoint is to hold: its parts, and the blobs of them that may not be stored yet. To be closed."""

    def __init__(self) -> None:
        self.parts = Parts()
        self.blobs = Spool()

    def pack(self, kind: str, how: Kind, name: str, state: State, stamp: str = "") -> None:
        """Add a part with its state."""
        hash_, blob = packed(state)
        self.blobs.add(hash_, blob)
        self.parts.add((kind, name, hash_, stamp, len(state.get(how.table, ()))))

    def missing(self) -> Iterable[str]:
        """The hashes of the parts whose blobs must be stored already."""
        return (part[2] for part in self.parts if part[2] not in self.blobs)

    def close(self) -> None:
        self.parts.close()
        self.blobs.close()


class Checkpoints:
    """Every method raises DependencyError when the disk fails. `kinds` are what a checkpoint holds."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        kinds: Mapping[str, Kind] | None = None,
        *,
        restored: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`restored` is called after each restore, to read anew what is kept in memory of the database."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._restored = restored
        self._kinds = dict(kinds or {CONVERSATION: CONVERSATIONS, "fact": FACTS})

    async def create(self, trigger: str, note: str = "", *, check: bool = False) -> CheckpointRecord:
        """Note the state as it is now: of one moment, whatever is being said meanwhile.

        With `check`, what it shares with the last one is looked at, and stored anew where it is damaged.
        """
        head = _Head(self._ids.uuid7(), self._clock.time(), trigger, note)
        # A read: no turn waits while much is read and packed.
        contents = await self._database.read(lambda connection: self._gather(connection, check=check))

        def write(connection: sqlite3.Connection) -> CheckpointRecord:
            if all(checkpoint_rows.has_blob(connection, hash_) for hash_ in contents.missing()):
                return _store(connection, head, contents)
            with closing(self._gather(connection)) as again:
                return _store(connection, head, again)

        return await self._write(write, contents)

    async def _write[T](self, operation: Callable[[sqlite3.Connection], T], contents: _Contents) -> T:
        """Close the contents once stored, or not to be: not when cancelled, for the database still reads them."""
        try:
            done = await self._database.write(operation)
        except Exception:
            contents.close()
            raise
        contents.close()
        return done

    def _gather(self, connection: sqlite3.Connection, *, check: bool = False) -> _Contents:
        """Everything as it is now; only what has changed since the last checkpoint is read and packed.

        With `check`, also that of which the blob is damaged: it is stored anew, for the older ones too.

        One part at a time, so that a large archive takes no more memory than a small one.
        """
        last = checkpoint_rows.list_checkpoints(connection, None, 1)
        before = str(last[0][0]) if last else ""
        contents = _Contents()
        try:
            for kind, how in self._kinds.items():
                for name, stamp in how.stamps(connection):
                    known = checkpoint_rows.kept_part(connection, before, kind, name)
                    if known is None or known[3] != stamp or (check and not _is_whole(connection, known[2])):
                        contents.pack(kind, how, name, how.read(connection, name), stamp)
                    else:
                        contents.parts.add(known)
        except BaseException:
            contents.close()
            raise
        return contents

    async def newest_message(self) -> int:
        """The number of the message that was stored last; 0 when there is none."""
        return await self._database.read(checkpoint_rows.newest_message)

    async def list(self, *, limit: int = 20, after: CheckpointRecord | None = None) -> tuple[CheckpointRecord, ...]:
        """Latest first, from behind `after`."""
        start = (after.created_at, after.id) if after else None
        found = await self._database.read(lambda connection: checkpoint_rows.list_checkpoints(connection, start, limit))
        return tuple(CheckpointRecord(*row) for row in found)

    async def get(self, checkpoint_id: str) -> CheckpointRecord | None:
        row = await self._database.read(lambda connection: checkpoint_rows.find_checkpoint(connection, checkpoint_id))
        return None if row is None else CheckpointRecord(*row)

    async def parts(self, checkpoint_id: str) -> tuple[Part, ...]:
        """Everything in it, unpacked and checked."""
        return await self._database.read(
            lambda connection: tuple(
                Part(kind, name, hash_, unpacked(hash_, checkpoint_rows.blob(connection, hash_)))
                for kind, name, hash_, _, _ in checkpoint_rows.parts(connection, checkpoint_id)
            )
        )

    async def delete(self, checkpoint_id: str) -> bool:
        return await self._database.write(
            lambda connection: checkpoint_rows.delete_checkpoint(connection, checkpoint_id)
        )

    async def prune(self, keep: int, *, triggers: Iterable[str], before: float | None = None) -> int:
        """Delete all but the newest `keep` of the checkpoints with these triggers, made before `before`; how many."""
        chosen = frozenset(triggers)
        rows = await self._database.read(lambda connection: checkpoint_rows.list_checkpoints(connection, None, -1))
        old = [each for each in (CheckpointRecord(*row) for row in rows) if each.trigger in chosen][keep:]
        gone = 0
        for each in old:  # in a transaction each, for a large one takes its time
            if before is None or each.created_at < before:
                gone += await self.delete(each.id)
        return gone

    async def compare(self, checkpoint_id: str, only: frozenset[str] = frozenset()) -> Difference:
        """What restoring it would do. `only` names the conversations to look at; empty is everything."""
        return await self._database.read(lambda connection: self._compare(connection, checkpoint_id, only))

    def _compare(self, connection: sqlite3.Connection, checkpoint_id: str, only: frozenset[str]) -> Difference:
        parts = checkpoint_rows.parts(connection, checkpoint_id)
        if only and (unknown := only - {name for kind, name, *_ in parts if kind == CONVERSATION}):
            raise ClientError(f"conversations: the checkpoint has no conversation '{min(unknown)}'")
        changes: list[Change] = []
        for kind, how in self._kinds.items():
            then = {name: hash_ for of, name, hash_, _, _ in parts if of == kind}
            now = {name for name, _ in how.stamps(connection)}
            if only:
                then = {name: hash_ for name, hash_ in then.items() if how.conversation(name) in only}
                now = {name for name in now if how.conversation(name) in only}
            for name, hash_ in then.items():
                state = unpacked(hash_, checkpoint_rows.blob(connection, hash_))
                current = how.read(connection, name) if name in now else {}
                changes.append(_change(kind, name, how.table, current, state))
            changes += [
                _change(kind, name, how.table, how.read(connection, name), {}) for name in sorted(now - set(then))
            ]
        different = tuple(each for each in changes if each.change != "same")
        return Difference(checkpoint_id, different, len(changes) - len(different))

    async def restore(
        self, checkpoint_id: str, only: frozenset[str] = frozenset()
    ) -> tuple[Difference, CheckpointRecord]:
        """Go back to it, in one transaction, with a checkpoint of how it was before; what was done, and that one.

        Everything becomes exactly what it was then: what was not there is removed. With `only`, these conversations
        alone are touched, with their facts. A damaged part is left as it is now. Raises ClientError (404) for an
        unknown checkpoint.
        """
        note = f"Before the restore of {checkpoint_id}."
        head = _Head(self._ids.uuid7(), self._clock.time(), "pre-restore", note)

        def write(connection: sqlite3.Connection) -> tuple[Difference, CheckpointRecord]:
            if checkpoint_rows.find_checkpoint(connection, checkpoint_id) is None:
                raise unknown()
            difference = self._compare(connection, checkpoint_id, only)
            with closing(self._gather(connection, check=True)) as contents:
                before = _store(connection, head, contents)
            hashes = {
                (kind, name): hash_ for kind, name, hash_, _, _ in checkpoint_rows.parts(connection, checkpoint_id)
            }
            for change in difference.changes:
                how = self._kinds[change.kind]
                if change.change == "removed":
                    how.remove(connection, change.name)
                elif change.change != "damaged":
                    hash_ = hashes[change.kind, change.name]
                    state = unpacked(hash_, checkpoint_rows.blob(connection, hash_))
                    how.replace(connection, change.name, state or {})
                    said = (str(row["content"]) for row in (state or {}).get("messages", ()))
                    search_rows.add_words(connection, words_of(" ".join(said)))  # it may come from another machine
            return difference, before

        done = await self._database.write(write)
        if self._restored is not None:
            await self._restored()
        return done

    async def adopt(self, trigger: str, note: str, created_at: float, parts: Iterable[Part]) -> CheckpointRecord:
        """Take in a checkpoint from elsewhere, under an id of its own. `parts` have their state."""
        head = _Head(self._ids.uuid7(), created_at, trigger, note)
        contents = _Contents()
        for part in parts:
            if part.kind in self._kinds and part.state is not None:
                contents.pack(part.kind, self._kinds[part.kind], part.name, part.state)
        return await self._write(lambda connection: _store(connection, head, contents), contents)


def _is_whole(connection: sqlite3.Connection, hash_: str) -> bool:
    return unpacked(hash_, checkpoint_rows.blob(connection, hash_)) is not None


def unknown() -> ClientError:
    return ClientError("checkpoint not found", status=404, code="checkpoint_not_found")


def _store(connection: sqlite3.Connection, head: _Head, contents: _Contents) -> CheckpointRecord:
    talks = messages = facts = 0
    for kind, _, _, _, rows in contents.parts:
        if kind == CONVERSATION:
            talks += 1
            messages += rows
        else:
            facts += rows
    record = CheckpointRecord(head.id, head.created_at, head.trigger, head.note, talks, messages, facts, byte_size=0)
    size = checkpoint_rows.add_checkpoint(
        connection, msgspec.structs.astuple(record), contents.parts, contents.blobs.items()
    )
    return msgspec.structs.replace(record, byte_size=size)


def _change(kind: str, name: str, table: str, now: State, then: State | None) -> Change:
    def ids(state: State) -> set[str]:
        return {str(row["id"]) for row in state.get(table, ())}

    def title(state: State) -> str:
        return next((str(row["title"]) for row in state.get("conversations", ())), "")

    if then is None:
        return Change(kind, name, title(now), "damaged", len(ids(now)), 0, 0, 0)
    if not then:
        what = "removed"
    elif not now:
        what = "back"
    else:
        what = "same" if _essence(now) == _essence(then) else "changed"
    mine, theirs = ids(now), ids(then)
    added, removed = len(theirs - mine), len(mine - theirs)
    return Change(kind, name, title(then) or title(now), what, len(mine), len(theirs), added, removed)


def _essence(state: State) -> dict[str, list[dict[str, Any]]]:
    """A state without what does not matter: the numbers of messages beyond their order, and its runs."""
    return {
        table: [{name: value for name, value in row.items() if name != "number"} for row in rows]
        for table, rows in state.items()
        if table != "runs"
    }
