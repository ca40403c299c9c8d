"""What a model is shown of a conversation that it is to summarise, and the summary without a model. Pure.

What tools brought is told with it, shortened: an answer seldom repeats all that it was made of, and what comes later
may need the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from thane.conversations import marks
from thane.conversations.words import cut, spoken
from thane.memory.records import MessageRecord, ToolCallRecord

_LINES = 40
_LINE_CHARS = 200
_RESULT_CHARS = 400
"""Of what a tool was given, and of what it brought: its gist is mostly in the beginning."""

type Calls = Mapping[str, Sequence[ToolCallRecord]]
"""Thane's own calls of tools, by run."""


def by_run(calls: Iterable[ToolCallRecord]) -> Calls:
    """Those that Thane made, in the order of their times; what clients ran stands among the messages."""
    out: dict[str, list[ToolCallRecord]] = {}
    for call in sorted(calls, key=lambda each: each.started_at):
        if call.owner == "thane":
            out.setdefault(call.run_id, []).append(call)
    return out


def quoted(messages: Sequence[MessageRecord], calls: Calls, chars: int) -> str:
    """A line for each message and each call, within `chars` characters: of what is too long, the beginning and the end.

    What was compacted before comes first and whole, as far as there is room.
    """
    lines = [
        f"{role.upper()}: {text}"
        for role, text in _lines(messages, calls, _RESULT_CHARS)
        if role in {"system", "user", "assistant", "tool"}
    ]
    text = "\n".join(lines)
    if len(text) <= chars:
        return text
    half = chars // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def plain(messages: Sequence[MessageRecord], calls: Calls, chars: int) -> str:
    """Without a model, in about `chars` characters: what the summary before said, then the latest lines, shortened.

    Leaving out words beats inventing some. The lines have half of the room at least.
    """
    before = "\n".join(
        each.message.content.removeprefix(marks.SUMMARY_HEADING).strip() for each in messages if marks.is_mark(each)
    )
    before = bounded(before, chars // 2) if before else ""
    said = [each for each in messages if not marks.is_mark(each)]
    lines: list[str] = []
    left = chars - len(before)
    for role, text in reversed(_lines(said, calls, _LINE_CHARS)[-_LINES:]):
        line = f"{role}: {cut(text, _LINE_CHARS)}"
        left -= len(line) + 1
        if left < 0 and lines:
            break
        lines.insert(0, line)
    return "\n".join((*([before] if before else []), *lines))


def bounded(summary: str, chars: int) -> str:
    """A summary that leaves room for what comes after it, however long a model made it."""
    return summary if len(summary) <= chars else f"{summary[: chars - 1].rsplit(' ', 1)[0].rstrip()}…"


def _lines(messages: Sequence[MessageRecord], calls: Calls, result_chars: int) -> list[tuple[str, str]]:
    """(role, words in one line) of each message, the calls of a run before its answer."""
    lines: list[tuple[str, str]] = []
    told: set[str] = set()
    for each in messages:
        message = each.message
        if message.role == "assistant" and each.run_id not in told:
            told.add(each.run_id)
            lines += [("tool", _call(call, result_chars)) for call in calls.get(each.run_id, ())]
        for call in message.tool_calls:
            given = cut(msgspec.json.encode(call.arguments).decode(), result_chars)
            lines.append(("assistant", f"calls {call.name} {given}"))
        text = " ".join((spoken(message.content) if message.role == "user" else message.content).split())
        if message.role == "tool":
            text = f"{message.tool_name} brought {cut(text, result_chars)}".strip()
        if text:
            lines.append((message.role, text))
    return lines


def _call(call: ToolCallRecord, chars: int) -> str:
    outcome = "brought" if call.ok else "failed with"
    given, result = (cut(" ".join(text.split()), chars) for text in (call.arguments, call.result))
    return f"{call.name} {given} {outcome} {result}"
