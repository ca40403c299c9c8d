"""Plain records for tests of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thane.memory.records import ConversationRecord, MessageRecord, RunRecord
from thane.turn import Message

AT = 1_800_000_000.0
NO_CONVERSATION = ConversationRecord("", "owu", "", AT, AT)


def conversation(id_: str, *, at: float = AT, **more: Any) -> ConversationRecord:
    return ConversationRecord(id_, more.pop("channel", "owu"), more.pop("title", "Lights"), AT, at, **more)


def run(id_: str, conversation_id: str, state: Any = "done", *, at: float = AT, **more: Any) -> RunRecord:
    return RunRecord(id_, conversation_id, "l_1", "owu", "thane:latest", state, at, **more)


def said(run_: RunRecord, *texts: str, before: Sequence[MessageRecord] = ()) -> tuple[MessageRecord, ...]:
    """Messages that follow `before`, the user's and the assistant's in turn, keyed by all that was said so far."""
    messages = list(before)
    for text in texts:
        parent = messages[-1].key if messages else ""
        role = "assistant" if len(messages) % 2 else "user"
        position = len(messages)
        key = f"{parent}/{text}"
        messages.append(
            MessageRecord(
                f"{run_.id}-{position}",
                run_.conversation_id,
                run_.id,
                position,
                Message(role, text),
                AT,
                key,
                parent,
            )
        )
    return tuple(messages)
