"""A conversation as a document to keep: Markdown for people, JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thane.clock import iso
from thane.conversations.branches import branches
from thane.http.native.answers import fields
from thane.http.native.said import message
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord

_WHO = {"user": "User", "assistant": "Assistant", "tool": "Tool", "system": "System"}


def as_fields(record: ConversationRecord, messages: Sequence[MessageRecord]) -> dict[str, Any]:
    """A conversation with its messages, in the order in which they came, and its branches."""
    ways = [fields(branch) for branch in branches(messages)]
    return fields(record) | {"messages": [message(each) for each in messages], "branches": ways}


def as_markdown(record: ConversationRecord, messages: Sequence[MessageRecord], runs: Mapping[str, RunRecord]) -> str:
    """The branch that was last spoken in as a dialogue, then what was said on the others only."""
    by_id = {each.id: each for each in messages}
    lines = [
        f"# {record.title}",
        "",
        f"**Conversation:** {record.id}  ",
        f"**Channel:** {record.channel}  ",
        *([f"**User:** {record.user}  "] if record.user else []),
        *([f"**Area:** {record.area}  "] if record.area else []),
        f"**Started:** {iso(record.created_at)}  ",
        f"**Last turn:** {iso(record.updated_at)}  ",
        f"**Messages:** {len(messages)}",
        "",
        "---",
    ]
    shown = set[str]()
    for branch in branches(messages):
        new = [by_id[each] for each in branch.messages if each not in shown]
        shown.update(branch.messages)
        if not branch.is_current:
            lines += ["", "---", "", f"## Another branch, until {iso(branch.updated_at)}"]
        for each in new:
            lines += ["", *_said(each, runs.get(each.run_id))]
    return "\n".join(lines) + "\n"


def _said(record: MessageRecord, run: RunRecord | None) -> list[str]:
    said = record.message
    model = f" · {run.model}" if run and run.model and said.role == "assistant" else ""
    lines = [f"### {_WHO[said.role]} [{iso(record.at)[11:19]}]{model}"]
    if said.images:
        lines += ["", f"*{len(said.images)} image(s)*"]
    if said.role == "tool":
        return [*lines, "", *_fenced(said.content)]
    if said.content:
        lines += ["", said.content]
    if said.role == "assistant" and run:
        for call in run.tool_calls:
            if call.owner == "thane":
                lines += ["", f"`{call.name}` ({call.duration:.2f} s)", "", *_fenced(call.arguments)]
                lines += ["", *_fenced(call.result)]
        if run.state != "done":
            lines += ["", f"*{run.state}{': ' + run.error if run.error else ''}*"]
    for call in said.tool_calls:
        lines += ["", f"`{call.name}`, run by the client", "", *_fenced(msgspec.json.encode(call.arguments).decode())]
    return lines


def _fenced(text: str) -> list[str]:
    """As a block of code, whatever is in it."""
    longest = max((len(part) for part in _runs_of(text, "`")), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, text, fence]


def _runs_of(text: str, char: str) -> list[str]:
    found, run = list[str](), ""
    for each in text:
        if each == char:
            run += each
        elif run:
            found.append(run)
            run = ""
    return [*found, run] if run else found
