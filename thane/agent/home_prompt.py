"""What is kept of Home Assistant's own instructions where Thane has a prompt and a house of its own. Pure.

Home Assistant sends the owner's instructions and, below them, what its own tools need: how to call them, an overview of
the devices, the area, the time (homeassistant/helpers/llm.py and the `llm.py` of its components, 2026.11 and before).
Where Thane's tools stand in for those, all that would only mislead the model: `agent.ha_prompt` says what stays.

* `keep`: everything but the marker.
* `extract`: the owner's instructions. Area, device, user and language have been read already (`thane.wire.caller`).
* `drop`: nothing.

Where the client's tools are passed on, its prompt is what they need, and stays whole but for the marker: the owner put
that there for Thane (`thane.wire.caller` reads it). It is another one in each conversation, so with it in the prompt no
model server could use again what it has read of 25 tools and a house.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from thane.turn import Message

type HomePrompt = Literal["keep", "extract", "drop"]

_OWN_LINES = re.compile(
    r"""
    When\ controlling\ (?:Home\ Assistant\ always\ call|a\ device,\ prefer|an\ area,\ prefer)
    | When\ a\ user\ asks\ to\ turn\ on\ all\ devices
    | You\ are\ in\ area\ .+\ and\ all\ generic\ commands
    | This\ device\ is\ not\ able\ to\ start\ timers
    | Only\ if\ the\ user\ wants\ to\ control\ a\ device,\ tell\ them\ to\ expose
    | Current\ time\ is\ \d
    | (?:You\ are|Act\ as)\ a\ voice\ assistant\ for\ Home\ Assistant
    | .*\bKEY=\S+\ USER=
    """,
    re.VERBOSE,
)
_MARKER = re.compile(r"[ \t]*\bKEY=\S+ USER=[^\n]*? DEV=\S*(?: LANG=\S*)?(?: AREA=[^\n]*)?")
_MARKED = "KEY="
_CONTEXT_BEGINS = re.compile(r"You ARE equipped to answer questions|(?:Static|Live|Dynamic) Context: An overview of")
_CONTEXT_GOES_ON = re.compile(
    r"\s|-\s|$|the home by retrieving|functionality if the question|If the user asks about|\d\. "
)
"""Lines of Home Assistant's two paragraphs on devices, and the devices themselves, which are YAML."""


def keep_of_home_prompt(messages: Iterable[Message], how: HomePrompt) -> tuple[Message, ...]:
    """The messages with what is to be kept of the instructions; a system message of which nothing is left goes."""
    if how == "keep":
        return without_marker(messages)
    kept = list[Message]()
    for message in messages:
        if message.role != "system":
            kept.append(message)
        elif how == "extract" and (content := owners_instructions(message.content)):
            kept.append(msgspec.structs.replace(message, content=content))
    return tuple(kept)


def without_marker(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages, the system ones without the marker."""
    return tuple(
        msgspec.structs.replace(message, content=_MARKER.sub("", message.content))
        if message.role == "system" and _MARKED in message.content
        else message
        for message in messages
    )


def owners_instructions(prompt: str) -> str:
    """The prompt without what Home Assistant has added to the owner's words."""
    lines, in_context = list[str](), False
    for line in prompt.splitlines():
        if _CONTEXT_BEGINS.match(line):
            in_context = True
        elif in_context and _CONTEXT_GOES_ON.match(line):
            continue
        else:
            in_context = False
            if not _OWN_LINES.match(line):
                lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
