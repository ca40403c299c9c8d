"""Sessions: the parts of a conversation between two long silences, or between two resets of it.

A session is opened by the first message that is stored without an open one, and closed by a reason: `idle_timeout`,
`reset`, `split`, `checkpoint`, `shutdown`, `crash_recovery` or what a person says. Nothing is deleted by that: a
closed session is history, and the conversation goes on in the next, which names the one before it as its parent.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from thane.clock import Clock
from thane.config import settings as config
from thane.errors import ClientError
from thane.memory import rows
from thane.memory.records import MessageRecord, StepRecord, ToolCallRecord
from thane.storage import run_rows, session_rows, tool_call_rows
from thane.storage.database import Database

UNKNOWN = "there is no session '{}'"


class SessionRecord(msgspec.Struct, frozen=True):
    """Times are epoch seconds; `ended_at` is None while it is open. `handoff` is what the next one is to be told."""

    id: str
    conversation_id: str
    started_at: float
    last_at: float
    ended_at: float | None = None
    end_reason: str = ""
    title: str = ""
    summary: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    handoff: str = ""
    parent_session_id: str = ""
    parent_tool_call_id: str = ""
    message_count: int = 0


class Described(msgspec.Struct, frozen=True):
    """What is said about a session, by a model or by the plain extract. `details` are REFERENCE 7.6's `metadata`."""

    title: str
    summary: str
    tags: tuple[str, ...] = ()
    details: dict[str, Any] = msgspec.field(default_factory=dict)


def session_for(
    connection: sqlite3.Connection, conversation_id: str, run_id: str, times: tuple[float, float], idle: float
) -> str:
    """The session that new messages of a conversation belong to, opened if there is none. For use in a transaction.

    `times` are those of the first and the last of them; `idle` are the seconds of silence that end a session, 0 for
    never.
    """
    first_at, last_at = times
    found = session_rows.open_session(connection, conversation_id)
    if found is not None:
        session_id, spoken_at = found
        if not idle or first_at - spoken_at <= idle:
            session_rows.touch_session(connection, session_id, last_at)
            return session_id
        session_rows.end_session(connection, session_id, spoken_at, "idle_timeout")
    before = session_rows.last_session(connection, conversation_id)
    parent = before[0] if before is not None else ""
    session_id = f"s_{run_id.removeprefix('r_')}"
    session_rows.add_session(
        connection, session_row(SessionRecord(session_id, conversation_id, first_at, last_at, parent_session_id=parent))
    )
    return session_id


class Sessions:
    """Every method raises DependencyError when the disk fails."""

    def __init__(self, database: Database, clock: Clock, settings: config.Archive) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._handoffs: dict[str, tuple[str, str]] = {}  # what is handed over, and to which session; "": the next

    async def recall(self) -> None:
        """Remember, after a start or a restore, what the sessions that go on now were handed over."""
        found = await self._database.read(session_rows.handoffs)
        self._handoffs = {conversation_id: (text, session_id) for conversation_id, text, session_id in found}

    def handoff(self, conversation_id: str) -> str:
        """What the conversation's last session said that the present one is to be told; never blocks."""
        return self._handoffs.get(conversation_id, ("", ""))[0]

    def note_spoken(self, conversation_id: str, session_id: str) -> None:
        """That something was said in this session: what was handed over to another one before it is told no more."""
        handed = self._handoffs.get(conversation_id)
        if handed is not None and handed[1] != session_id:
            if handed[1]:
                del self._handoffs[conversation_id]
            else:
                self._handoffs[conversation_id] = (handed[0], session_id)

    def forget(self, conversation_id: str) -> None:
        """That a conversation is deleted: one of the same name that begins later is told nothing of it."""
        self._handoffs.pop(conversation_id, None)

    async def list(
        self, *, conversation_id: str = "", limit: int = 50, after: SessionRecord | None = None
    ) -> tuple[SessionRecord, ...]:
        """Latest start first, from behind `after`."""
        start = (after.started_at, after.id) if after else None
        found = await self._database.read(
            lambda connection: session_rows.list_sessions(connection, conversation_id, start, limit)
        )
        return tuple(map(_record, found))

    async def get(self, session_id: str) -> SessionRecord | None:
        row = await self._database.read(lambda connection: session_rows.find_session(connection, session_id))
        return None if row is None else _record(row)

    async def messages(self, session_id: str) -> tuple[MessageRecord, ...]:
        found = await self._database.read(lambda connection: session_rows.session_messages(connection, session_id))
        return tuple(map(rows.message_record, found))

    async def tool_calls(self, session_id: str) -> tuple[ToolCallRecord, ...]:
        found = await self._database.read(lambda connection: tool_call_rows.calls_of_session(connection, session_id))
        return tuple(map(rows.tool_call_record, found))

    async def steps(self, session_id: str) -> tuple[tuple[str, StepRecord], ...]:
        """(run, model step) of its runs, in order."""
        found = await self._database.read(lambda connection: run_rows.steps_of_session(connection, session_id))
        return tuple((row[0], rows.step_record(row)) for row in found)

    async def current(self, conversation_id: str) -> SessionRecord | None:
        """The conversation's latest session, open or closed."""
        row = await self._database.read(lambda connection: session_rows.last_session(connection, conversation_id))
        return None if row is None else _record(row)

    async def close(self, conversation_id: str, reason: str, handoff: str = "") -> bool:
        """Close the conversation's open session. False when none is open."""
        now = self._clock.time()

        def write(connection: sqlite3.Connection) -> bool:
            found = session_rows.open_session(connection, conversation_id)
            return found is not None and session_rows.end_session(connection, found[0], now, reason, handoff)

        if not await self._database.write(write):
            return False
        self._handoffs.pop(conversation_id, None)
        if handoff:
            self._handoffs[conversation_id] = (handoff, "")
        return True

    async def end_idle(self) -> int:
        """Close the sessions that have been silent for `archive.session_idle_minutes`; how many there were."""
        seconds = self._settings.session_idle_minutes * 60
        if not seconds:
            return 0
        before = self._clock.time() - seconds
        ended = await self._database.write(lambda connection: session_rows.end_idle_sessions(connection, before))
        if ended:
            await self.recall()  # what those were handed over is not for the next
        return ended

    async def split(self, session_id: str, message_id: str) -> SessionRecord:
        """Make the session's messages from `message_id` on a session of their own; returns that one.

        Raises ClientError when there is no such session, or the message is not in it, or is its first.
        """

        def write(connection: sqlite3.Connection) -> SessionRecord:
            row = session_rows.find_session(connection, session_id)
            if row is None:
                raise ClientError(UNKNOWN.format(session_id), status=404, code="session_not_found")
            session = _record(row)
            messages = session_rows.message_numbers(connection, session_id)
            place = next((place for place, (_, id_, _) in enumerate(messages) if id_ == message_id), 0)
            if not place:
                raise ClientError(f"message: '{message_id}' is not in session '{session_id}' behind its first message")
            number, _, at = messages[place]
            last_at = messages[place - 1][2]
            later = msgspec.structs.replace(
                session,
                id=f"s_{message_id}",  # numbers may come again after a restore
                started_at=at,
                parent_session_id=session_id,
                title="",
                summary="",
                tags=(),
                metadata={},
            )
            session_rows.cut_short(connection, session_id, last_at)
            session_rows.add_session(connection, session_row(later))
            moved = session_rows.move_messages(connection, session_id, number, later.id)
            return msgspec.structs.replace(later, message_count=moved)

        later = await self._database.write(write)
        await self.recall()
        return later

    async def bare(self, limit: int) -> tuple[SessionRecord, ...]:
        """Closed sessions that nothing is said about yet, the latest first."""
        found = await self._database.read(lambda connection: session_rows.bare_sessions(connection, limit))
        return tuple(map(_record, found))

    async def describe(self, session_id: str, described: Described) -> None:
        values = (
            described.title,
            described.summary,
            msgspec.json.encode(described.tags).decode(),
            msgspec.json.encode(described.details).decode(),
        )
        await self._database.write(lambda connection: session_rows.describe_session(connection, session_id, values))


def session_row(session: SessionRecord) -> tuple[Any, ...]:
    """The columns in the order of `SESSION_COLUMNS`."""
    *columns, _ = msgspec.structs.astuple(session)
    columns[8] = msgspec.json.encode(session.tags).decode()
    columns[9] = msgspec.json.encode(session.metadata).decode()
    return tuple(columns)


def _record(row: tuple[Any, ...]) -> SessionRecord:
    columns = list(row)
    columns[8] = tuple(msgspec.json.decode(columns[8], type=list[str]))
    columns[9] = msgspec.json.decode(columns[9])
    return SessionRecord(*columns)
