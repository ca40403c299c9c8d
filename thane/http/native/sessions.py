"""Sessions over the native API: the list, one with what was said and done in it, as a file, split, closed."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, given, limit
from thane.http.native.query import cursor, once, paged
from thane.http.native.said import iteration, message, tool_call
from thane.http.rooms import Rooms
from thane.memory.archive import Archive
from thane.memory.export import markdown
from thane.memory.sessions import SessionRecord

_MOST = 500


class _Split(msgspec.Struct):
    message_id: str = ""


class _Close(msgspec.Struct):
    reason: str = "closed"
    handoff: str = ""


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/archive/sessions…`."""
    blueprint = Blueprint("sessions", __name__)
    archive, settings = rooms.archive, rooms.settings
    zone = ZoneInfo(settings.timezone) if settings.timezone else UTC

    @blueprint.get("/v1/archive/sessions")
    async def listed() -> Response:
        """`{"sessions","count","next"}`, latest start first. `limit` is 50, at most 500; `conversation_id` selects;
        `cursor` is the `next` of the page before."""
        most, start = limit(50, _MOST), cursor(tuple[float, str])
        after = SessionRecord(start[1], "", start[0], 0.0) if start else None
        found = await archive.sessions.list(conversation_id=once("conversation_id"), limit=most + 1, after=after)
        page, following = paged(found, most, lambda last: (last.started_at, last.id))
        return answer({"sessions": [_session(each) for each in page], "count": len(page), "next": following})

    @blueprint.get("/v1/archive/sessions/<session_id>")
    async def one(session_id: str) -> Response:
        """`{"session","transcript","tool_calls","iterations"}`: what was said, what tools did, each call of a model."""
        return answer(await _whole(archive, await _known(archive, session_id)))

    @blueprint.get("/v1/archive/sessions/<session_id>/export")
    async def export(session_id: str) -> Response:
        """The session as a file: `format` is `markdown` (or `md`, the default) or `json`."""
        form = once("format") or "markdown"
        if form not in {"markdown", "md", "json"}:
            raise ClientError(f"unsupported format: {form} (use markdown or json)")
        session = await _known(archive, session_id)
        if form == "json":
            response, ending = answer(await _whole(archive, session)), "json"
        else:
            said, calls = await archive.sessions.messages(session.id), await archive.sessions.tool_calls(session.id)
            text = markdown(session, said, calls, zone)
            response, ending = Response(text, content_type="text/markdown; charset=utf-8"), "md"
        name = "".join(c for c in session.id[:10] if c.isalnum() or c in "-_")
        response.headers["Content-Disposition"] = f'attachment; filename="session-{name}.{ending}"'
        return response

    @blueprint.post("/v1/archive/sessions/<session_id>/split")
    async def split(session_id: str) -> Response:
        """Make the messages from `{"message_id"}` on a session of their own: 201 with that one."""
        wanted = await given(_Split, rooms.settings.limits)
        return answer(_session(await archive.sessions.split(session_id, wanted.message_id)), 201)

    @blueprint.post("/v1/archive/sessions/<session_id>/close")
    async def close(session_id: str) -> Response:
        """Close an open session: `{"reason","handoff"}`, both optional; what `handoff` says is told to the model in the
        next one. 409 when it is closed already."""
        wanted, session = await given(_Close, rooms.settings.limits), await _known(archive, session_id)
        if len(wanted.handoff) > rooms.settings.archive.handoff_chars:
            most = rooms.settings.archive.handoff_chars
            raise ClientError(f"handoff: give at most {most} characters (archive.handoff_chars)")
        open_ = session.ended_at is None
        if not open_ or not await archive.sessions.close(session.conversation_id, wanted.reason, wanted.handoff):
            raise ClientError("this session is closed already", status=409, code="session_closed")
        return answer(_session(await _known(archive, session_id)))

    return blueprint


async def _known(archive: Archive, session_id: str) -> SessionRecord:
    session = await archive.sessions.get(session_id)
    if session is None:
        raise _unknown()
    return session


async def _whole(archive: Archive, session: SessionRecord) -> dict[str, Any]:
    said, calls = await archive.sessions.messages(session.id), await archive.sessions.tool_calls(session.id)
    steps = await archive.sessions.steps(session.id)
    answers = {each.run_id: each.id for each in said if each.message.role == "assistant"}
    return {
        "session": _session(session),
        "transcript": [message(each) for each in said],
        "tool_calls": [tool_call(each) | {"message_id": answers.get(each.run_id, "")} for each in calls],
        "iterations": [
            iteration(run_id, step, sum((each.run_id, each.step) == (run_id, step.step) for each in calls))
            for run_id, step in steps
        ],
    }


def _session(session: SessionRecord) -> dict[str, Any]:
    times = ("last_at", "ended_at")
    found = fields(session)
    return found | {name: None if (at := found[name]) is None else iso(at) for name in times}


def _unknown() -> ClientError:
    return ClientError("session not found", status=404, code="session_not_found")
