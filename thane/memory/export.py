"""A session as Markdown, for people. Pure. What was said is quoted as it is: it is a text file, not a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo

from thane.memory.records import MessageRecord, ToolCallRecord
from thane.memory.sessions import SessionRecord

_NAMES = {"user": "👤 User", "assistant": "🤖 Assistant", "system": "⚙️ System", "tool": "🔧 Tool"}


def markdown(
    session: SessionRecord, messages: Sequence[MessageRecord], calls: Sequence[ToolCallRecord], zone: tzinfo
) -> str:
    """Head, then messages and tool calls in the order of their times."""

    def clock(at: float, form: str = "%H:%M:%S") -> str:
        return datetime.fromtimestamp(at, zone).strftime(form)

    day = "%Y-%m-%d %H:%M:%S %Z"
    ended = f"{clock(session.ended_at, day)} ({session.end_reason})" if session.ended_at is not None else "still open"
    head = [
        f"# {session.title or f'Session {session.id[-8:]}'}",
        "",
        f"**Session:** {session.id}  ",
        f"**Conversation:** {session.conversation_id}  ",
        f"**Started:** {clock(session.started_at, day)}  ",
        f"**Ended:** {ended}  ",
        f"**Messages:** {len(messages)}  ",
        f"**Tool calls:** {len(calls)}",
    ]
    if session.summary:
        head += ["", session.summary]
    parts: list[tuple[float, int, str]] = []
    for place, each in enumerate(messages):
        title = _NAMES[each.message.role]
        body = each.message.content or "".join(
            f"{_fenced(call.name, call.arguments)}" for call in each.message.tool_calls
        )
        parts.append((each.at, place, f"### {title} [{clock(each.at)}]\n\n{body}"))
    for place, call in enumerate(calls):
        outcome = "**Result:**" if call.ok else "**Error:**"
        body = f"{_fence(call.arguments, 'json')}\n\n{outcome}\n\n{_fence(call.result)}"
        title = f"### {_NAMES['tool']} {call.name} [{clock(call.started_at)}, {round(call.duration * 1000)} ms]"
        parts.append((call.started_at, place, f"{title}\n\n{body}"))
    return "\n".join(head) + "\n\n---\n\n" + "\n\n".join(text for _, _, text in sorted(parts)) + "\n"


def _fenced(name: str, arguments: object) -> str:
    return f"`{name}`\n\n{_fence(json.dumps(arguments, ensure_ascii=False), 'json')}"


def _fence(text: str, kind: str = "") -> str:
    """A code block that its text cannot end."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{kind}\n{text}\n{ticks}"
