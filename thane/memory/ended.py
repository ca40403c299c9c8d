"""Writing a run that has ended, in two parts: what must be on disk before the answer counts, and what explains it.

The first is the turn itself: its run, steps, tool calls and messages. The second is looked at afterwards, if ever:
spans, what the model was sent, and the words that a misspelt one may be meant to be. Both are for use inside a
`Database` operation, and in both what holds half of a surrogate pair is mended, since that must not cost a turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from thane.memory import rows, sessions
from thane.memory.prompts import PackedPrompt
from thane.memory.query import words_of
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord
from thane.storage import conversation_rows, fact_rows, prompt_rows, run_rows, search_rows

REMEMBER_FACT = "remember_fact"
"""The tool by which a model remembers; what it remembers comes from the message that the run answers."""


class Stored(msgspec.Struct, frozen=True):
    """Whether the run had been stored as ended before, those of its messages that its conversation had not, and the
    session that these belong to; "" where there are none."""

    repeated: bool
    new: Sequence[MessageRecord]
    session_id: str = ""


def store_turn(
    connection: sqlite3.Connection,
    conversation: ConversationRecord,
    run: RunRecord,
    messages: Sequence[MessageRecord],
    idle_seconds: float,
) -> Stored:
    """Insert or replace. A conversation with an empty id is not stored, nor are messages."""
    try:
        return _store_turn(connection, conversation, run, messages, idle_seconds)
    except UnicodeEncodeError:
        whole = [rows.mended(message) for message in messages]
        return _store_turn(connection, rows.mended(conversation), rows.mended(run), whole, idle_seconds)


def store_explanation(
    connection: sqlite3.Connection, run: RunRecord, prompts: Callable[[], Sequence[PackedPrompt]], stored: Stored
) -> None:
    """Insert, or replace where the run is stored again; nothing where it has been deleted by now. `prompts` packs
    them, which is work for this thread."""
    if not run_rows.has_run(connection, run.id):
        return
    text = " ".join(message.message.content for message in stored.new)
    try:
        _store_explanation(connection, run, prompts(), text, repeated=stored.repeated)
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        _store_explanation(connection, rows.mended(run), prompts(), text, repeated=True)


def _store_turn(
    connection: sqlite3.Connection,
    conversation: ConversationRecord,
    run: RunRecord,
    messages: Sequence[MessageRecord],
    idle_seconds: float,
) -> Stored:
    if conversation.id:
        conversation_rows.store_conversation(connection, rows.conversation_row(conversation))
    repeated = run_rows.store_ended_run(connection, rows.run_row(run), rows.step_rows(run), rows.tool_call_rows(run))
    if repeated:
        keys = [message.key for message in messages]
        conversation_rows.delete_messages_of_run(connection, conversation.id, run.id, keys)
    new = _unstored(connection, messages) if conversation.id else []
    session_id = ""
    if new:
        times = new[0].at, new[-1].at
        session_id = sessions.session_for(connection, conversation.id, run.id, times, idle_seconds)
        conversation_rows.add_messages(connection, session_id, list(map(rows.message_row, new)))
    if messages and any(call.name == REMEMBER_FACT for call in run.tool_calls):
        asked = next((each for each in reversed(messages) if each.message.role == "user"), messages[-1])
        fact_rows.note_message(connection, run.id, asked.id)
    return Stored(repeated, new, session_id)


def _store_explanation(
    connection: sqlite3.Connection, run: RunRecord, prompts: Sequence[PackedPrompt], text: str, *, repeated: bool
) -> None:
    if repeated:
        run_rows.delete_spans(connection, run.id)
        prompt_rows.delete_run_prompts(connection, run.id)
    run_rows.store_spans(connection, rows.span_rows(run))
    for prompt in prompts:
        prompt_rows.store_run_prompt(connection, run.id, prompt.links, prompt.about)
    search_rows.add_words(connection, words_of(text))


def _unstored(connection: sqlite3.Connection, messages: Sequence[MessageRecord]) -> list[MessageRecord]:
    """Those that their conversation does not have yet.

    A key names a message together with all that was said before it, so when one is stored, so are its forerunners:
    looking from the end makes a long history cheap that a client sends again. Messages without a key are always new.
    """
    first = len(messages)
    while first and not conversation_rows.has_message(
        connection, messages[first - 1].conversation_id, messages[first - 1].key
    ):
        first -= 1
    return [message for place, message in enumerate(messages) if place >= first or not message.key]
