"""Log lines over the native API: those of a loop and those of the whole system, with the reference's paths beside ours.

Ours say a line in our names and page through them; the reference's (`/api/…`) say it in its own (REFERENCE 9.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer, limit
from thane.http.native.query import once
from thane.http.rooms import Rooms
from thane.journal.index import Journal, Wanted
from thane.journal.line import LEVELS, NAMES, LogLine

DEFAULT = 100
MOST = 200
DOORS = ("http",)
"""Subsystems that talk of requests; the system's lines leave them out, as the reference does, unless asked for."""


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/loops/{id}/logs`, `/v1/system/logs`, and the same under `/api`."""
    blueprint = Blueprint("logs", __name__)

    def of_loop(loop_id: str) -> Wanted:
        loop = rooms.loops.get(loop_id)
        if loop is None:
            raise ClientError("loop not found", status=404, code="loop_not_found")
        return Wanted(loop_id=loop_id, conversation_ids=loop.status().recent_conv_ids)

    def of_system() -> Wanted:
        return Wanted(run_id=once("run_id"), without=() if once("requests") else DOORS)

    @blueprint.get("/v1/loops/<loop_id>/logs")
    async def loop_lines(loop_id: str) -> Response:
        """Log lines of a loop and of its recent conversations, newest first: `{"lines","count","next"}`. `level` is the
        least level; `limit` is 100, at most 200; `before` is the `next` of the page before."""
        return await _page(_journal(rooms), of_loop(loop_id))

    @blueprint.get("/v1/system/logs")
    async def system_lines() -> Response:
        """Log lines of the whole system, newest first, as those of a loop. `run_id` selects; `requests=1` takes in the
        lines about HTTP requests, which are left out otherwise. The id of a request that came to no run is one too."""
        return await _page(_journal(rooms), of_system())

    @blueprint.get("/api/loops/<loop_id>/logs")
    async def loop_entries(loop_id: str) -> Response:
        """Log lines of a loop as the reference has them: `{"entries","count"}`. `level` and `limit` as for
        `/v1/loops/{id}/logs`."""
        return await _entries(_journal(rooms), of_loop(loop_id))

    @blueprint.get("/api/system/logs")
    async def system_entries() -> Response:
        """Log lines of the system as the reference has them: `{"entries","count"}`."""
        return await _entries(_journal(rooms), of_system())

    return blueprint


async def find(journal: Journal, wanted: Wanted, query: Mapping[str, str], most: int) -> tuple[LogLine, ...]:
    """Lines that are wanted, narrowed by the query's `level` and `before`. Raises ClientError for what makes no
    sense in them."""
    level, before = query.get("level", "").lower(), query.get("before", "")
    if level and level not in LEVELS:
        raise ClientError(f"level: give one of {', '.join(NAMES.values())}, not '{level}'")
    if before and not (before.isascii() and before.isdigit() and len(before) <= 18):
        raise ClientError(f"before: give the `next` of the page before, not '{before}'")
    wanted = msgspec.structs.replace(wanted, level=level or wanted.level, before=int(before or 0))
    return await journal.newest(wanted, most)


def line_fields(line: LogLine) -> dict[str, Any]:
    """A line in our names."""
    return {
        "id": line.id,
        "at": iso(line.at),
        "level": NAMES.get(line.level, str(line.level)),
        "subsystem": line.subsystem,
        "message": line.message,
        "run_id": line.run_id,
        "conversation_id": line.conversation_id,
        "loop_id": line.loop_id,
        "tool": line.tool,
        "model": line.model,
        "attributes": msgspec.Raw(line.attributes.encode()),
        "source_file": line.source_file,
        "source_line": line.source_line,
    }


def entry_fields(line: LogLine) -> dict[str, Any]:
    """A line in the reference's names; a request there is a run here."""
    return {
        "ID": line.id,
        "Timestamp": iso(line.at),
        "Level": {"warning": "WARN"}.get(name := NAMES.get(line.level, ""), name.upper()),
        "Msg": line.message,
        "RequestID": line.run_id,
        "SessionID": "",
        "ConversationID": line.conversation_id,
        "Subsystem": line.subsystem,
        "Tool": line.tool,
        "Model": line.model,
        "Attrs": line.attributes,
        "SourceFile": line.source_file,
        "SourceLine": line.source_line,
    }


async def _page(journal: Journal, wanted: Wanted) -> Response:
    most = limit(DEFAULT, MOST)
    found = await find(journal, wanted, _narrowed(), most + 1)
    page, rest = found[:most], found[most:]
    following = str(page[-1].id) if rest else None
    return answer({"lines": [line_fields(line) for line in page], "count": len(page), "next": following})


async def _entries(journal: Journal, wanted: Wanted) -> Response:
    found = await find(journal, wanted, _narrowed(), limit(DEFAULT, MOST))
    return answer({"entries": [entry_fields(line) for line in found], "count": len(found)})


def _narrowed() -> dict[str, str]:
    return {name: once(name) for name in ("level", "before")}


def _journal(rooms: Rooms) -> Journal:
    if rooms.journal is None or not rooms.settings.logging.index_rows:
        raise ClientError(
            "log index not available: logging.index_rows is 0", status=503, code="log_index_not_available"
        )
    return rooms.journal
