"""What a database of the reference holds, as conversations of ours. Pure: the rows come from `thane.storage`.

Messages get the keys that they would have, had they been said here, so a client that sends their history goes on in the
conversation that was taken in. Source of the tables and their columns: REFERENCE 7.1 and 7.6.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from thane.conversations import identity
from thane.conversations.words import first_title
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord, ToolCallRecord
from thane.memory.sessions import SessionRecord
from thane.turn import Channel, Message, ToolCall

type Row = Mapping[str, Any]

_ROLES: dict[str, Literal["system", "user", "assistant", "tool"]] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_FRACTION = re.compile(r"(\.\d{6})\d+")
_ZONE_NAME = re.compile(r" [A-Z]{2,5}$| m=[+-][\d.]+$")


class TakenSession(msgspec.Struct, frozen=True):
    """A session with what was said and done in it. `run` is what its tool calls are kept under."""

    session: SessionRecord
    run: RunRecord
    messages: tuple[MessageRecord, ...]


class Taken(msgspec.Struct, frozen=True):
    """One conversation. `skipped` says what of it could not be read, as sentences."""

    conversation: ConversationRecord
    sessions: tuple[TakenSession, ...]
    skipped: tuple[str, ...] = ()


def take(tables: Mapping[str, Sequence[Row]]) -> tuple[Taken, ...]:
    """Every conversation, the oldest first. One without a message is left out."""
    said, done, sessions = (_by_conversation(tables.get(name, ())) for name in ("messages", "tool_calls", "sessions"))
    known = {str(row["id"]): row for row in tables.get("conversations", ())}
    taken = [
        _take(id_, known.get(id_, {}), said=said[id_], done=done.get(id_, []), sessions=sessions.get(id_, []))
        for id_ in said
    ]
    return tuple(sorted((each for each in taken if each.sessions), key=lambda each: each.conversation.created_at))


def _take(id_: str, row: Row, *, said: list[Row], done: list[Row], sessions: list[Row]) -> Taken:
    channel: Channel = "owu" if id_.startswith("owu-") else "api"
    ours = id_ if channel == "owu" else f"api:{id_}"
    read, skipped = _read(id_, said)
    keys = identity.read(message for *_, message in read).keys
    parts: defaultdict[str, list[MessageRecord]] = defaultdict(list)
    parent = ""
    for position, ((at, message_id, session_id, message), key) in enumerate(zip(read, keys, strict=True)):
        run_id = _run_id(id_, session_id)
        parts[session_id].append(MessageRecord(message_id, ours, run_id, position, message, at, key, parent))
        parent = key
    if not read:
        return Taken(ConversationRecord(ours, channel, "", 0.0, 0.0), (), tuple(skipped))
    created = when(row.get("created_at")) or read[0][0]
    updated = max(when(row.get("updated_at")) or 0.0, read[-1][0])
    title = first_title(message for *_, message in read)
    conversation = ConversationRecord(ours, channel, title, created, updated)
    told = {str(each["id"]): each for each in sessions}
    calls: defaultdict[str, list[Row]] = defaultdict(list)
    for call in done:
        calls[str(call["session_id"] or "")].append(call)
    whole = [
        _session(
            conversation,
            id_,
            session_id,
            told=told.get(session_id, {}),
            messages=messages,
            done=calls.get(session_id, []),
        )
        for session_id, messages in parts.items()
    ]
    return Taken(conversation, tuple(sorted(whole, key=lambda each: each.session.started_at)), tuple(skipped))


def _read(id_: str, said: list[Row]) -> tuple[list[tuple[float, str, str, Message]], list[str]]:
    """(time, id, session, message) in their order, and what was left out. System messages are prompts, which were of a
    request, and summaries of what comes over itself."""
    read: list[tuple[float, str, str, Message]] = []
    skipped: list[str] = []
    system = 0
    for each in said:
        at, role = when(each["timestamp"]), _ROLES.get(str(each["role"]))
        if at is None or role is None:
            skipped.append(f"message {each['id']} of {id_}: no time or no role that is known")
        elif role == "system":
            system += 1
        else:
            read.append((at, str(each["id"]), str(each["session_id"] or ""), _message(role, each)))
    if system:
        skipped.append(f"{system} system messages of {id_}: prompts, and summaries of what was taken in itself")
    read.sort(key=lambda each: each[:2])
    return read, skipped


def _session(
    conversation: ConversationRecord,
    conversation_id: str,
    session_id: str,
    *,
    told: Row,
    messages: Sequence[MessageRecord],
    done: Sequence[Row],
) -> TakenSession:
    first, last = messages[0].at, messages[-1].at
    run_id = _run_id(conversation_id, session_id)
    calls = tuple(
        call for place, row in enumerate(done) if (call := _tool_call(row, run_id, conversation.id, place)) is not None
    )
    metadata = _object(told.get("metadata"))
    session = SessionRecord(
        id=session_id or f"s_{run_id.removeprefix('r_')}",
        conversation_id=conversation.id,
        started_at=min(when(told.get("started_at")) or first, first),
        last_at=last,
        ended_at=max(when(told.get("ended_at")) or last, last),
        end_reason=str(told.get("end_reason") or "imported"),
        title=str(told.get("title") or ""),
        summary=str(told.get("summary") or metadata.get("paragraph") or ""),
        tags=_tags(told.get("tags")),
        metadata=metadata,
        parent_session_id=str(told.get("parent_session_id") or ""),
        parent_tool_call_id=str(told.get("parent_tool_call_id") or ""),
    )
    run = RunRecord(
        id=run_id,
        conversation_id=conversation.id,
        loop_id="",
        channel=conversation.channel,
        profile="imported",
        state="done",
        started_at=first,
        title=session.title or conversation.title,
        finish_reason="stop",
        duration=last - first,
        tool_calls=calls,
        turn_id=run_id,
    )
    return TakenSession(session, run, tuple(messages))


def _message(role: Literal["system", "user", "assistant", "tool"], row: Row) -> Message:
    calls: list[ToolCall] = []
    for place, call in enumerate(_list(row["tool_calls"])):
        function: object = call.get("function", call)
        if isinstance(function, dict):
            id_, name = str(call.get("id") or f"call_{place}"), str(function.get("name", ""))
            calls.append(ToolCall(id_, name, _object(function.get("arguments"))))
    return Message(
        role, str(row["content"] or ""), tool_calls=tuple(calls), tool_call_id=str(row["tool_call_id"] or "")
    )


def _tool_call(row: Row, run_id: str, conversation_id: str, place: int) -> ToolCallRecord | None:
    started = when(row["started_at"])
    if started is None:
        return None
    completed = when(row["completed_at"])
    seconds = float(row["duration_ms"]) / 1000 if row["duration_ms"] else max(0.0, (completed or started) - started)
    return ToolCallRecord(
        id=str(row["id"] or f"call_{place}"),
        run_id=run_id,
        conversation_id=conversation_id,
        step=1,
        name=str(row["tool_name"] or ""),
        arguments=str(row["arguments"] or "{}"),
        result=str(row["error"] or row["result"] or ""),
        ok=not row["error"],
        started_at=started,
        duration=seconds,
    )


def when(value: object) -> float | None:
    """Epoch seconds of a time as Go and its SQLite drivers write it; None for what is none, and for Go's zero time.

    That is RFC 3339 or with a space for its T, with nanoseconds, with a zone's name or a monotonic reading at its end.
    """
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    while (shorter := _ZONE_NAME.sub("", text)) != text:
        text = shorter
    text = re.sub(r" ([+-]\d{2}):?(\d{2})$", r"\1:\2", _FRACTION.sub(r"\1", text))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.year == 1 else (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _run_id(conversation_id: str, session_id: str) -> str:
    """The same at every import, so that a second one adds nothing."""
    text = f"{conversation_id}\0{session_id}".encode()
    return f"r_{hashlib.blake2b(text, digest_size=8).hexdigest()}"


def _by_conversation(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row["conversation_id"])].append(row)
    return found


def _object(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    found = _json(value)
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    found = _json(value)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _tags(value: object) -> tuple[str, ...]:
    found = _json(value)
    if isinstance(found, list):
        return tuple(str(each) for each in found)
    return tuple(tag.strip() for tag in str(value or "").split(",") if tag.strip())


def _json(value: object) -> object:
    try:
        return msgspec.json.decode(str(value)) if value else None
    except msgspec.DecodeError:
        return None
