"""What of a turn is told in the log: a line for each thing that happens in it, with its figures and no word of it.

Which turn a line belongs to is bound by the conductor. What was asked, said and handed to tools is the archive's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

_log = structlog.get_logger("thane.agent")

_DEBUG, _INFO, _WARNING = 10, 20, 30
_LINES = {
    "request_start": (_DEBUG, "a turn began"),
    "routed": (_DEBUG, "it was decided who answers"),
    "llm_call": (_DEBUG, "a model was asked"),
    "llm_response": (_DEBUG, "a model answered"),
    "tool_call": (_DEBUG, "a tool was called"),
    "tool_done": (_DEBUG, "a tool ended"),
    "client_tool_call": (_DEBUG, "the client is asked to run its tools"),
    "request_complete": (_INFO, "a turn was answered"),
    "request_failed": (_WARNING, "a turn failed"),
    "request_cancelled": (_INFO, "a turn was cancelled"),
}
_FIGURES = (int, float, bool)
_NAMES = frozenset({"model", "provider", "tool", "channel", "profile", "failure", "by", "task", "call_id"})


def tell(kind: str, data: Mapping[str, Any]) -> None:
    """Log an event of a turn by its kind, without texts; a kind that is not known is not told."""
    line = _LINES.get(kind)
    if line is None:
        return
    level, message = line
    figures = {name: value for name, value in data.items() if name in _NAMES or isinstance(value, _FIGURES)}
    _log.log(level, message, **figures)
