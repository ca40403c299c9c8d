"""The branches of a conversation: each way from its beginning to a message after which nothing was said. Pure.

An edited question, an answer made anew and several models asked at once leave the conversation where they began and
make a branch of it. Messages are given in the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thane.conversations.marks import without_marks
from thane.memory.records import MessageRecord


class Branch(msgspec.Struct, frozen=True):
    """`messages` are ids, the first said first. `is_current`: something was last said here."""

    messages: tuple[str, ...]
    updated_at: float
    is_current: bool


def branches(records: Sequence[MessageRecord]) -> tuple[Branch, ...]:
    """Every branch, the one that was last spoken in first."""
    paths = [path_to(records, leaf) for leaf in reversed(_leaves(records))]
    return tuple(
        Branch(tuple(record.id for record in path), path[-1].at, index == 0) for index, path in enumerate(paths)
    )


def path_to(records: Sequence[MessageRecord], last: MessageRecord) -> tuple[MessageRecord, ...]:
    """The messages that lead to `last`, oldest first."""
    by_key = {record.key: record for record in records if record.key}
    path: list[MessageRecord] = []
    here: MessageRecord | None = last
    while here is not None and len(path) < len(records):
        path.append(here)
        here = by_key.get(here.parent_key)
    return tuple(reversed(path))


def siblings(records: Sequence[MessageRecord], record: MessageRecord) -> tuple[MessageRecord, ...]:
    """The messages that stand where this one does, itself among them, in the order in which they came."""
    return tuple(
        each for each in records if each.parent_key == record.parent_key and each.message.role == record.message.role
    )


def newest_below(records: Sequence[MessageRecord], record: MessageRecord) -> MessageRecord:
    """The message said last on any branch that goes through this one."""
    newest = record
    keys = {record.key}
    for each in records[list(records).index(record) + 1 :]:
        if each.parent_key in keys:
            keys.add(each.key)
            newest = each
    return newest


def _leaves(records: Sequence[MessageRecord]) -> list[MessageRecord]:
    parents = {record.parent_key for record in records}
    return [record for record in without_marks(records) if record.key not in parents]
