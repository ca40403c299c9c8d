"""What a model step was sent, as a fragment of the Run page: the tools atop, then the messages, bounded. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from markupsafe import Markup

from thane.http.dashboard import words
from thane.http.dashboard.run_rows import cut_text
from thane.memory.prompts import KeptPrompt

MESSAGE_CHARS = 4000
TOOLS = 60
"""Longest message, and most tools, that the page shows."""


def prompt_markup(prompt: KeptPrompt, address: str, *, most_chars: int) -> Markup:
    """The fragment. Messages in the middle are left out when all of them have more than `most_chars` characters."""
    first, last = shown(prompt.messages, most_chars)
    left_out = len(prompt.messages) - first - last
    rows = [_message(message) for message in prompt.messages[:first]]
    if left_out:
        rows.append(
            Markup('<li><span class="role">…</span><p class="meta">{} not shown here.</p><span></span></li>').format(
                words.plural(left_out, "message")
            )
        )
    rows += [_message(message) for message in prompt.messages[len(prompt.messages) - last :]]
    return Markup(
        '<p class="meta">As it was sent, secrets taken out. <a class="lnk" href="{}">The whole as JSON</a></p>{}'
        '<ol class="prompt">{}</ol>'
    ).format(address, _tools(prompt), Markup("").join(rows))


def shown(messages: Sequence[dict[str, Any]], most_chars: int) -> tuple[int, int]:
    """How many messages are shown from the front, and how many from the end: the first, then as many as there is
    room for from the last backwards, at least one."""
    sizes = [min(len(_text(message)), MESSAGE_CHARS) for message in messages]
    if sum(sizes) <= most_chars:
        return len(messages), 0
    room, last = most_chars - sizes[0], 0
    for size in reversed(sizes[1:]):
        if last and size > room:
            break
        room -= size
        last += 1
    return 1, last


def _tools(prompt: KeptPrompt) -> Markup:
    if not prompt.tools:
        return Markup("")
    chips = [
        Markup('<span class="chip k-tool" title="{}"><b>{}</b></span>').format(tool.description[:200], tool.name)
        for tool in prompt.tools[:TOOLS]
    ]
    if (more := len(prompt.tools) - TOOLS) > 0:
        chips.append(Markup("<span>and {} more</span>").format(more))
    return Markup('<p class="chips" aria-label="Tools">{}</p>').format(Markup("").join(chips))


def _message(message: dict[str, Any]) -> Markup:
    text = _text(message)
    return Markup('<li><span class="role">{}</span><pre>{}</pre><span class="meta">{}</span></li>').format(
        message["role"], cut_text(text, MESSAGE_CHARS), f"{len(text):,} characters"
    )


def _text(message: dict[str, Any]) -> str:
    """All that a message says, one after the other."""
    parts = [str(message.get("thinking", "")), str(message.get("content", ""))]
    parts += [
        f"→ {call['name']} {msgspec.json.encode(call['arguments']).decode()}" for call in message.get("tool_calls", ())
    ]
    parts += [f"[{image['media_type']}, {image['bytes']:,} bytes]" for image in message.get("images", ())]
    return "\n".join(part for part in parts if part)
