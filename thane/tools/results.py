"""Tool results in the shape of Home Assistant 2026.11, so that models read Thane's own house like a client's.

Done: `{"data": {"response_type": "action_done", "data": {"success": […], "failed": […]}}, "error": false}`.
Failed: `{"data": {"error": "MatchFailedError", "error_text": "…"}, "error": true}`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thane.home.house import Entity
from thane.home.match import Matched
from thane.tools.tool import ToolResult
from thane.turn import JSON

_encoder = msgspec.json.Encoder()


def told(data: JSON) -> ToolResult:
    """A result that is an answer, not an action."""
    return ToolResult(_encoder.encode({"data": data, "error": False}).decode())


def failed(error: str, text: str) -> ToolResult:
    """A result that says what went wrong; `error` is the name of Home Assistant's exception."""
    return ToolResult(_encoder.encode({"data": {"error": error, "error_text": text}, "error": True}).decode(), ok=False)


def done(matched: Matched, success: Iterable[Entity], failures: Iterable[Entity]) -> ToolResult:
    """An action that reached `success` and not `failures`."""
    targets: list[JSON] = [{"name": floor, "type": "floor", "id": floor} for floor in matched.floors]
    if not targets:
        targets = [{"name": area.name, "type": "area", "id": area.id} for area in matched.areas]
    return told(
        {
            "response_type": "action_done",
            "data": {
                "success": targets + [_target(entity) for entity in success],
                "failed": [_target(entity) for entity in failures],
            },
        }
    )


def _target(entity: Entity) -> JSON:
    return {"name": entity.name, "type": "entity", "id": entity.id}
