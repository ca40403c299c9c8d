"""Counts as model servers tell them, read with care, and about how many tokens a prompt has. Pure."""

from __future__ import annotations

import msgspec

from thane.models.provider import ModelRequest
from thane.models.tools_memo import ToolsMemo
from thane.turn import ToolSpec

_BYTES_A_TOKEN = 4  # of UTF-8: about right for English, and for scripts whose letters take three bytes and a token each
_IMAGE_TOKENS = 1024  # what vision models make of an image: 256 to 2,000
_MESSAGE_TOKENS = 6  # what a chat template puts around a message
_MOST = 1 << 53


def counted(value: object) -> int | None:
    """A count that can be one: a whole number from 0; None for everything else, which then counts as not told."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        return None
    return value


def _json_size(tools: tuple[ToolSpec, ...]) -> int:
    return len(msgspec.json.encode(tools)) if tools else 0


tools_size = ToolsMemo(_json_size)
"""How many bytes the tools are as JSON. Asked several times for each prompt."""


def prompt_tokens(request: ModelRequest) -> int:
    """About how many tokens a request's prompt has; rather too many than too few."""
    size = tools_size(request.tools)
    tokens = 0
    for message in request.messages:
        size += len(message.content.encode()) + len(message.thinking.encode())
        if message.tool_calls:
            size += len(msgspec.json.encode(message.tool_calls))
        tokens += _MESSAGE_TOKENS + _IMAGE_TOKENS * len(message.images)
    return tokens + -(-size // _BYTES_A_TOKEN)
