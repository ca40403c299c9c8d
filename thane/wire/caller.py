"""Who is speaking, read from a request's headers, body and system prompt. Pure.

The words looked for are those of Home Assistant 2026.11 (helpers/llm.py, components/intent/llm.py,
components/homeassistant/llm.py) and of 2025.4; the headers are those of Open WebUI 0.12 (utils/headers.py). Not here:
which conversation a request belongs to (`thane.conversations.identity`) and whether it is housekeeping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from thane.turn import Caller, Channel, Message, ToolSpec

_LONGEST = 256
"""Characters of an id or a name that are kept; more is no id."""

KEYS = frozenset(
    ("conversation_id", "chat_id", "conversation", "metadata", "user", "device", "area", "language"),
)
"""What is read of a body, whichever protocol it is of."""

_HOME_ASSISTANT_TOOL = re.compile(r"(?:[a-z0-9_]+__)?(?:Hass[A-Z]\w*|GetLiveContext)")
_HOME_ASSISTANT_PROMPTS = (
    "You are a voice assistant for Home Assistant",
    "An overview of the areas and the devices in this smart home",
    "When controlling Home Assistant always call the intent tools",
    "You are a Home Assistant expert",
)
_HOME_ASSISTANT_TIME = re.compile(r"Current time is \d\d:\d\d:\d\d\. Today's date is \d{4}-\d\d-\d\d")
_AREA = re.compile(r"You are in area (.+?)(?: \(floor [^)\n]*\))? and all generic commands")
_AREA_LINE = re.compile(r"You are in area ([^\n]+)")
_MARKER = re.compile(
    r"\bKEY=(?P<key>\S+) USER=(?P<user>[^\n]*?) DEV=(?P<device>\S*)"
    r"(?: LANG=(?P<language>\S*))?(?: AREA=(?P<area>[^\n]*))?"
)
"""The owner may put the last two in as well: the area for agents whose prompt does not name it."""
_NOBODY = ("", "None", "none", "null", "unknown")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def identify(
    headers: Mapping[str, str],
    messages: Sequence[Message] = (),
    tools: Sequence[ToolSpec] = (),
    body: Mapping[str, Any] | None = None,
) -> Caller:
    """The caller of a request. `headers` have lower-case names; `body` is the request as it came."""
    body = body or {}
    prompt = "\n".join(message.content for message in messages if message.role == "system")
    marker = _MARKER.search(prompt) if "KEY=" in prompt else None
    metadata: Any = body.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    accepted = headers.get("accept-language", "")
    return Caller(
        channel=_channel(headers, prompt, tools, marked=marker is not None),
        conversation_id=_first(
            body.get("conversation_id"),
            headers.get("x-openwebui-chat-id"),
            metadata.get("chat_id"),
            body.get("chat_id"),
            metadata.get("conversation_id"),
            body.get("conversation"),
            f"ha:{marker['key']}" if marker else "",
        ),
        user=_first(
            unquote(headers.get("x-openwebui-user-name", "")),
            headers.get("x-openwebui-user-email"),
            headers.get("x-openwebui-user-id"),
            marker["user"] if marker else "",
            body.get("user"),
            metadata.get("user"),
        ),
        device=_first(body.get("device"), marker["device"] if marker else ""),
        area=_first(body.get("area"), _area(prompt), marker["area"] if marker else ""),
        language=_language(body.get("language"), marker["language"] if marker else "", accepted),
        task=_first(headers.get("x-thane-task"), metadata.get("task")),
        user_agent=headers.get("user-agent", "")[:_LONGEST],
    )


def _channel(headers: Mapping[str, str], prompt: str, tools: Sequence[ToolSpec], *, marked: bool) -> Channel:
    """Open WebUI by its own headers; then Home Assistant by its words, which outweigh a mere user agent."""
    if any(name.startswith("x-openwebui-") for name in headers):
        return "owu"
    if marked or any(_HOME_ASSISTANT_TOOL.fullmatch(tool.name) for tool in tools):
        return "ha"
    if any(words in prompt for words in _HOME_ASSISTANT_PROMPTS) or _HOME_ASSISTANT_TIME.search(prompt):
        return "ha"
    agent = headers.get("user-agent", "").lower()
    if "homeassistant" in agent:
        return "ha"
    return "owu" if "aiohttp" in agent else "api"


def _area(prompt: str) -> str:
    if "You are in area " not in prompt:
        return ""
    if found := _AREA.search(prompt):
        return found[1]
    found = _AREA_LINE.search(prompt)
    return found[1].strip(" .") if found else ""


def _language(asked: object, marked: str | None, accepted: str) -> str:
    """The language asked for, or marked, or the one that a browser prefers (RFC 9110, 12.5.4: the first is taken)."""
    for tag in (asked, marked, accepted.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()):
        if isinstance(tag, str) and _LANGUAGE.fullmatch(tag):
            return tag.replace("_", "-")
    return ""


def _first(*candidates: object) -> str:
    """The first that says something. An object is asked for its `id` or name (OpenAI's `conversation`).

    A template that the client's server did not fill in (`{{CHAT_ID}}`) says nothing.
    """
    for candidate in candidates:
        if isinstance(candidate, Mapping):
            fields: Mapping[str, Any] = candidate
            candidate = fields.get("id") or fields.get("name")
        if not isinstance(candidate, str):
            continue
        text = candidate.strip()
        if text not in _NOBODY and len(text) <= _LONGEST and "{{" not in text and text.isprintable():
            return text
    return ""
