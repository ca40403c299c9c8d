"""The Archive page: what was found, the latest sessions, and the checkpoints, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec
from markupsafe import Markup, escape

from thane.config.settings import Settings
from thane.http.dashboard import words
from thane.http.dashboard.drawing import CHANNELS
from thane.memory.checkpoints import Change, CheckpointRecord, Difference
from thane.memory.records import MessageRecord
from thane.memory.retention import RetentionStatistics
from thane.memory.search import ArchiveStatistics, Found, Hit
from thane.memory.sessions import SessionRecord

_FOUND = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_WHEN = "%d %b %Y, %H:%M"
_LINE_CHARS = 160
_WHO = {"user": "Someone", "assistant": "Thane", "system": "System", "tool": "Tool"}
CHANGES = {
    "back": "comes back",
    "changed": "changes",
    "removed": "goes",
    "damaged": "cannot be read; stays as it is",
}


class Line(msgspec.Struct, frozen=True):
    """One message of an exchange; `found` is the one that was looked for."""

    who: str
    text: Markup
    found: bool = False


class Result(msgspec.Struct, frozen=True):
    conversation_id: str
    title: str
    when: str
    lines: tuple[Line, ...]


class Results(msgspec.Struct, frozen=True):
    results: tuple[Result, ...]
    instead: tuple[tuple[str, str], ...]


class SessionRow(msgspec.Struct, frozen=True):
    id: str
    conversation_id: str
    title: str
    summary: str
    tags: tuple[str, ...]
    when: str
    state: str
    messages: str


class CheckpointRow(msgspec.Struct, frozen=True):
    id: str
    when: str
    trigger: str
    note: str
    holds: str
    size: str


class ChangeRow(msgspec.Struct, frozen=True):
    name: str
    title: str
    kind: str
    change: str
    counts: str
    chosen: bool


class Preview(msgspec.Struct, frozen=True):
    """What a restore would do, row by row, and how much stays as it is."""

    rows: tuple[ChangeRow, ...]
    same: int


def results(found: Found, titles: Mapping[str, str], zone: tzinfo | None) -> Results:
    """`titles` are those of the conversations that the hits are in."""
    return Results(
        tuple(_result(hit, titles.get(hit.match.conversation_id, ""), zone) for hit in found.hits),
        tuple(found.instead.items()),
    )


def _result(hit: Hit, title: str, zone: tzinfo | None) -> Result:
    lines = [_line(each) for each in hit.context_before]
    lines.append(Line(_who(hit.match), marked(hit.highlight or hit.match.message.content), found=True))
    lines += [_line(each) for each in hit.context_after]
    when = words.of_day(hit.match.at, zone, _WHEN)
    return Result(hit.match.conversation_id, title or hit.match.conversation_id, when, tuple(lines))


def _line(record: MessageRecord) -> Line:
    text = record.message.content
    return Line(_who(record), escape(text if len(text) <= _LINE_CHARS else text[: _LINE_CHARS - 1] + "…"))


def _who(record: MessageRecord) -> str:
    return _WHO[record.message.role]


def marked(highlight: str) -> Markup:
    """What stands between `**` and `**` as marked text; everything is escaped."""
    out, end = Markup(), 0
    for match in _FOUND.finditer(highlight):
        out += escape(highlight[end : match.start()]) + Markup("<mark>{}</mark>").format(match[1])
        end = match.end()
    return out + escape(highlight[end:])


def counted(of: ArchiveStatistics) -> tuple[str, ...]:
    """How much there is, as it stands beside the heading."""
    return (
        words.plural(of.messages, "message"),
        words.plural(of.sessions, "session"),
        words.plural(of.tool_calls, "tool call"),
    )


def session_rows(
    sessions: Sequence[SessionRecord], titles: Mapping[str, str], zone: tzinfo | None
) -> tuple[SessionRow, ...]:
    """A session that nobody described yet is called what its conversation is: `titles` are those, by id."""
    return tuple(
        SessionRow(
            id=each.id,
            conversation_id=each.conversation_id,
            title=each.title or titles.get(each.conversation_id) or each.conversation_id,
            summary=each.summary,
            tags=each.tags,
            when=words.of_day(each.started_at, zone, _WHEN),
            state="open" if each.ended_at is None else each.end_reason.replace("_", " "),
            messages=words.plural(each.message_count, "message"),
        )
        for each in sessions
    )


def checkpoint_rows(checkpoints: Sequence[CheckpointRecord], zone: tzinfo | None) -> tuple[CheckpointRow, ...]:
    return tuple(
        CheckpointRow(
            id=each.id,
            when=words.of_day(each.created_at, zone, f"{_WHEN}:%S"),
            trigger=each.trigger,
            note=each.note,
            holds=", ".join(
                part
                for part in (
                    words.plural(each.conversation_count, "conversation"),
                    words.plural(each.message_count, "message"),
                    words.plural(each.fact_count, "fact") if each.fact_count else "",
                )
                if part
            ),
            size=words.size(each.byte_size),
        )
        for each in checkpoints
    )


def preview(difference: Difference) -> Preview:
    """The rows that would change. Conversations can be chosen; what is damaged, and facts, cannot."""
    rows = [
        ChangeRow(
            name=each.name,
            title=each.title or each.name,
            kind=each.kind,
            change=_change(each),
            counts=_counts(each.added, each.removed),
            chosen=each.kind == "conversation" and each.change in ("back", "changed"),
        )
        for each in difference.changes
    ]
    return Preview(tuple(rows), difference.same)


def _change(change: Change) -> str:
    if change.change == "changed" and not change.added and not change.removed:
        return "changes in its title or sessions only"
    return CHANGES.get(change.change, change.change)


def _counts(added: int, removed: int) -> str:
    return ", ".join(part for part in (f"+{added}" if added else "", f"−{removed}" if removed else "") if part)


def channel_names() -> tuple[tuple[str, str], ...]:
    """Name and title of each channel, for the filter."""
    return tuple((name, title) for name, (title, _) in CHANNELS.items())


def keeping(settings: Settings, swept: RetentionStatistics, zone: tzinfo | None) -> tuple[str, ...]:
    """How long what was said is kept, how much room it takes, and what went last, a sentence each."""
    days, most = settings.archive.keep_days, settings.storage.max_bytes
    age = (
        f"What was said is kept for {days:g} {'day' if days == 1 else 'days'}."
        if days
        else "What was said is kept for ever."
    )
    told = [age]
    if swept.last_at is not None:
        limit = f" of at most {words.size(most)}" if most else ""
        told.append(f"The database takes {words.size(swept.file_bytes)}{limit}.")
    if swept.last_at is not None and (days or most):
        looked = words.of_day(swept.last_at, zone, _WHEN)
        sessions, messages = words.plural(swept.sessions, "session"), words.plural(swept.messages, "message")
        gone = f"{sessions} with {messages} went" if swept.sessions or swept.messages else "nothing had to go"
        told.append(f"Last looked at {looked}: since the start {gone}.")
    return tuple(told)
