"""An event as one line of a terminal: time, source, kind, what it holds, and the ids that it belongs to, dim."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

import msgspec
from rich.text import Text

from thane.cli.follow import EventFrame
from thane.cli.plain import one_line

STYLES = {"agent": "magenta", "loop": "cyan", "home": "blue", "health": "yellow", "system": "bright_black"}
"""Colours as on the dashboard: one for each source."""

_TROUBLE = ("failed", "error", "crashed", "down", "refused", "cancelled")
_IDS = ("run_id", "request_id", "conversation_id", "loop_id", "parent_id", "call_id", "event_seq")


def line(event: EventFrame, zone: tzinfo | None = None) -> Text:
    """The line of `event`. Times are shown in `zone`, or in the machine's where it is None."""
    moment = datetime.fromisoformat(event.ts).astimezone(zone).strftime("%H:%M:%S.%f")[:-3]
    style = STYLES.get(event.source, "")
    trouble = any(word in event.kind for word in _TROUBLE) or event.data.get("ok") is False
    text = Text(f"{moment} ", style="dim")
    text.append(f"{one_line(event.source):<6} ", f"not dim {style}")
    text.append(f"{one_line(event.kind):<23} ", "not dim bold red" if trouble else f"not dim {style}")
    facts = " ".join(f"{name}={worded(value)}" for name, value in event.data.items() if name not in _IDS)
    text.append(one_line(facts), "not dim")
    ids = " ".join(dict.fromkeys(worded(event.data[name]) for name in _IDS if event.data.get(name)))
    text.append(one_line(f" {ids}" if ids and facts else ids))
    return text


def worded(value: Any) -> str:
    """A value of an event or of a tool's arguments: a string as it is where it is one word, everything else as JSON."""
    if isinstance(value, str) and value and not any(mark in value for mark in " \t\n\"'="):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return msgspec.json.encode(value).decode()
