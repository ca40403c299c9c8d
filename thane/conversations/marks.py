"""Marks in a conversation: from here on a model is shown a summary of what was before, or nothing of it. Pure.

A mark is a message that stands beside the tree and not in it: its `parent_key` names, behind `over:`, the last message
that it covers. So nothing is deleted or moved, what is said next follows the last message as ever, and what a mark says
can be seen by everyone. `thane.conversations.covering` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from thane.agent.window import Recap
from thane.memory.records import MessageRecord
from thane.turn import Message

type MarkKind = Literal["reset", "summary"]

OVER = "over:"
SUMMARY_HEADING = "[Conversation Summary]"
_BEGINNING = "mark:"


def mark(kind: MarkKind, last: MessageRecord, text: str, *, id_: str, at: float) -> MessageRecord:
    """A mark over everything up to `last`."""
    return MessageRecord(
        id=id_,
        conversation_id=last.conversation_id,
        run_id="",
        position=last.position,
        message=Message("system", text),
        at=at,
        key=f"{_BEGINNING}{kind}:{id_}",
        parent_key=last.parent_key if is_mark(last) else OVER + last.key,
    )


def is_mark(record: MessageRecord) -> bool:
    return record.key.startswith(_BEGINNING)


def covered(record: MessageRecord) -> str:
    """The key of the last message that a mark covers; "" of what is no mark."""
    return record.parent_key.removeprefix(OVER) if is_mark(record) else ""


def is_reset(record: MessageRecord) -> bool:
    """Whether it is a mark from which on a model is shown nothing of what was before."""
    return record.key.startswith(f"{_BEGINNING}reset:")


def recap(records: Sequence[MessageRecord], keys: Sequence[str]) -> Recap:
    """What the latest summary over a history says, and how many of its messages it covers. `keys` are the history's."""
    places = {OVER + key: place for place, key in enumerate(keys)}
    found = [
        record for record in records if record.key.startswith(f"{_BEGINNING}summary:") and record.parent_key in places
    ]
    if not found:
        return Recap()
    return Recap(found[-1].message.content, places[found[-1].parent_key] + 1)


def without_marks(records: Sequence[MessageRecord]) -> tuple[MessageRecord, ...]:
    """What was said."""
    return tuple(record for record in records if not is_mark(record))


def shown(records: Sequence[MessageRecord], path: Sequence[MessageRecord]) -> tuple[MessageRecord, ...]:
    """What a model is shown of a path through a conversation: what its latest mark says, and what came after it.

    `records` are the conversation's, in the order in which they were stored. A mark over another branch says nothing
    here; a reset says nothing itself.
    """
    places = {OVER + record.key: place for place, record in enumerate(path)}
    found = [record for record in records if is_mark(record) and record.parent_key in places]
    if not found:
        return tuple(path)
    latest = found[-1]
    rest = tuple(path[places[latest.parent_key] + 1 :])
    return rest if is_reset(latest) else (latest, *rest)
