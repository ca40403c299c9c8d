"""The tool calls that were made, over the native API: one by one, and counted."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.native.answers import answer, limit
from thane.http.native.query import cursor, once, paged
from thane.http.native.said import tool_call
from thane.http.rooms import Rooms


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/tools/calls` and `/v1/tools/stats`; the latter is at its newer name `/v1/telemetry/tools` too."""
    blueprint = Blueprint("tool_calls", __name__)
    archive = rooms.archive

    @blueprint.get("/v1/tools/calls")
    async def calls() -> Response:
        """`{"tool_calls","count","next"}`, latest first. `limit` is 50, at most 1000; `conversation_id` and `tool`
        select; `cursor` is the `next` of the page before."""
        most, start = limit(50, 1000), cursor(tuple[float, str, int])
        found = await archive.search.tool_calls(
            conversation_id=once("conversation_id"),
            name=once("tool"),
            limit=most + 1,
            start=start,
        )
        page, following = paged(found, most, lambda last: (last[1].started_at, last[1].run_id, last[0]))
        return answer({"tool_calls": [tool_call(each) for _, each in page], "count": len(page), "next": following})

    @blueprint.get("/v1/tools/stats")
    @blueprint.get("/v1/telemetry/tools")
    async def statistics() -> Response:
        """`{"total_calls","by_tool","avg_duration_ms","error_rate","tools"}`: calls of each tool, the mean duration and
        the share of failures of all; `tools` has the same for each."""
        counted = await archive.search.tool_statistics()
        total = sum(each.calls for each in counted.values())
        failed = sum(each.failed for each in counted.values())
        seconds = sum(each.seconds for each in counted.values())
        return answer(
            {
                "total_calls": total,
                "by_tool": {name: each.calls for name, each in counted.items()},
                "avg_duration_ms": round(seconds * 1000 / total, 3) if total else 0.0,
                "error_rate": failed / total if total else 0.0,
                "tools": {
                    name: {
                        "calls": each.calls,
                        "failed": each.failed,
                        "avg_duration_ms": round(each.seconds * 1000 / each.calls, 3),
                    }
                    for name, each in counted.items()
                },
            }
        )

    return blueprint
