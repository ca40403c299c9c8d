"""Taking whole conversations in from elsewhere, each in one transaction, and once however often it is tried."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from thane.memory import rows
from thane.memory.query import words_of
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord
from thane.memory.sessions import SessionRecord, session_row
from thane.storage import conversation_rows, run_rows, search_rows, session_rows
from thane.storage.database import Database

type Whole = tuple[SessionRecord, RunRecord, Sequence[MessageRecord]]
"""A session, the run that its tool calls are kept under, and its messages."""


async def take_in(database: Database, conversation: ConversationRecord, sessions: Sequence[Whole]) -> int:
    """Store a conversation and those of its sessions that are not there yet; how many messages came.

    Raises DependencyError when the disk fails.
    """

    def write(connection: sqlite3.Connection) -> int:
        new = [each for each in sessions if not session_rows.has_session(connection, each[0].id)]
        if not new:
            return 0
        conversation_rows.store_conversation(connection, rows.conversation_row(conversation))
        for session, run, messages in new:
            session_rows.add_session(connection, session_row(session))
            run_rows.store_ended_run(connection, rows.run_row(run), [], rows.tool_call_rows(run))
            conversation_rows.add_messages(connection, session.id, list(map(rows.message_row, messages)))
            search_rows.add_words(connection, words_of(" ".join(each.message.content for each in messages)))
        return sum(len(messages) for _, _, messages in new)

    return await database.write(write)
