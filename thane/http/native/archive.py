"""What was said, over the native API: sessions, search, messages by time, and how much there is."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from quart import Blueprint, Response, request

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, limit
from thane.http.native.query import cursor, duration, next_cursor, number, when
from thane.http.native.said import message, tool_call
from thane.http.rooms import Rooms
from thane.memory.export import markdown
from thane.memory.search import Around, Hit, Wanted
from thane.memory.sessions import SessionRecord

_MOST = 500
_ROLES = ("system", "user", "assistant", "tool")


class _Split(msgspec.Struct):
    message_id: str


class _Close(msgspec.Struct):
    reason: str = "closed"
    handoff: str = ""


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/archive/…`."""
    blueprint = Blueprint("archive", __name__)
    sessions, search, settings = rooms.sessions, rooms.search, rooms.settings
    zone = ZoneInfo(settings.timezone) if settings.timezone else UTC

    async def known(session_id: str) -> SessionRecord:
        session = await sessions.get(session_id)
        if session is None:
            raise _unknown()
        return session

    @blueprint.get("/v1/archive/sessions")
    async def listed() -> Response:
        """`{"sessions","count","next"}`, latest start first. `limit` is 50, at most 500; `conversation_id` selects;
        `cursor` is the `next` of the page before."""
        most, start = limit(50, _MOST), cursor(tuple[float, str])
        after = SessionRecord(start[1], "", start[0], 0.0) if start else None
        found = await sessions.list(
            conversation_id=request.args.get("conversation_id", ""), limit=most + 1, after=after
        )
        page, rest = found[:most], found[most:]
        following = next_cursor(page[-1].started_at, page[-1].id) if rest else None
        return answer({"sessions": [_session(each) for each in page], "count": len(page), "next": following})

    @blueprint.get("/v1/archive/sessions/<session_id>")
    async def one(session_id: str) -> Response:
        """`{"session","transcript","tool_calls"}`."""
        return answer(await _whole(await known(session_id)))

    async def _whole(session: SessionRecord) -> dict[str, Any]:
        said, calls = await sessions.messages(session.id), await sessions.tool_calls(session.id)
        return {
            "session": _session(session),
            "transcript": [message(each) for each in said],
            "tool_calls": [tool_call(each) for each in calls],
        }

    @blueprint.get("/v1/archive/sessions/<session_id>/export")
    async def export(session_id: str) -> Response:
        """The session as a file: `format` is `markdown` (or `md`, the default) or `json`."""
        form = request.args.get("format", "") or "markdown"
        if form not in {"markdown", "md", "json"}:
            raise ClientError(f"unsupported format: {form} (use markdown or json)")
        session = await known(session_id)
        if form == "json":
            response, ending = answer(await _whole(session)), "json"
        else:
            said, calls = await sessions.messages(session.id), await sessions.tool_calls(session.id)
            text = markdown(session, said, calls, zone)
            response, ending = Response(text, content_type="text/markdown; charset=utf-8"), "md"
        name = "".join(c for c in session.id[:10] if c.isalnum() or c in "-_")
        response.headers["Content-Disposition"] = f'attachment; filename="session-{name}.{ending}"'
        return response

    @blueprint.post("/v1/archive/sessions/<session_id>/split")
    async def split(session_id: str) -> Response:
        """Make the messages from `{"message_id"}` on a session of their own: 201 with that one."""
        wanted = await _body(_Split)
        return answer(_session(await sessions.split(session_id, wanted.message_id)), 201)

    @blueprint.post("/v1/archive/sessions/<session_id>/close")
    async def close(session_id: str) -> Response:
        """Close an open session: `{"reason","handoff"}`, both optional; what `handoff` says is told to the model in the
        next one. 409 when it is closed already."""
        wanted, session = await _body(_Close), await known(session_id)
        open_ = session.ended_at is None
        if not open_ or not await sessions.close(session.conversation_id, wanted.reason, wanted.handoff):
            raise ClientError("this session is closed already", status=409, code="session_closed")
        return answer(_session(await known(session_id)))

    @blueprint.get("/v1/archive/search")
    async def find() -> Response:
        """`{"results","count","query","next","instead"}`: the messages in which the words of `q` stand, best first,
        each with the exchange around it. `"a phrase"`, `begin*`, `OR`, `NOT` and `-word` mean what they look like;
        no query is an error but an empty one. Filters: `conversation_id`, `role`, `channel`, `tool`, `since`, `until`.
        `limit` is 10, at most 500. `silence` (such as `10m`) ends the surrounding exchange, `context` is how many of its
        messages are given each way. `instead` has the words that were looked for in place of misspelt ones."""
        text = request.args.get("q", "")
        if not text.strip():
            raise ClientError("q parameter is required")
        role = request.args.get("role", "")
        if role not in ("", *_ROLES):
            raise ClientError(f"role: give one of {', '.join(_ROLES)}, not '{role}'")
        archive = settings.archive
        context, silence = number("context", archive.search_context_messages), duration("silence")
        around = Around(
            archive.search_context_messages if context is None else context,
            archive.search_silence_seconds if silence is None else silence,
            archive.search_context_seconds,
        )
        wanted = Wanted(
            conversation_id=request.args.get("conversation_id", ""),
            role=role or None,  # pyright: ignore[reportArgumentType]  one of the roles, as was just checked
            channel=request.args.get("channel", ""),
            since=when("since"),
            until=when("until"),
            tool=request.args.get("tool", ""),
        )
        most, start = limit(10, _MOST), cursor(tuple[int]) or (0,)
        found = await search.find(text, wanted, limit=most + 1, offset=start[0], around=around)
        page, rest = found.hits[:most], found.hits[most:]
        return answer(
            {
                "results": [_hit(each) for each in page],
                "count": len(page),
                "query": text,
                "next": next_cursor(start[0] + most) if rest else None,
                "instead": found.instead,
            }
        )

    @blueprint.get("/v1/archive/messages")
    async def messages() -> Response:
        """`{"messages","count","from","to","next"}`: what was said from `from` to `to` (RFC 3339, both needed), oldest
        first. `limit` is 500, which is the most; `conversation_id` selects; `cursor` is the `next` of the page before."""
        first, last = when("from"), when("to")
        if first is None or last is None:
            raise ClientError("from and to parameters are required (RFC3339)")
        most, start = limit(_MOST, _MOST), cursor(tuple[float, int]) or (first - 1.0, 0)
        talk = request.args.get("conversation_id", "")
        found = await search.between(first, last, conversation_id=talk, limit=most + 1, start=start)
        page, rest = found[:most], found[most:]
        return answer(
            {
                "messages": [message(each) for _, each in page],
                "count": len(page),
                "from": request.args["from"],
                "to": request.args["to"],
                "next": next_cursor(page[-1][1].at, page[-1][0]) if rest else None,
            }
        )

    @blueprint.get("/v1/archive/stats")
    async def statistics() -> Response:
        """How much there is: `{"total_messages","total_sessions","total_tool_calls","oldest_message","newest_message",
        "by_role"}`; the times are null where there is nothing."""
        counted = await search.statistics()
        return answer(
            {
                "total_messages": counted.messages,
                "total_sessions": counted.sessions,
                "total_tool_calls": counted.tool_calls,
                "oldest_message": None if counted.oldest is None else iso(counted.oldest),
                "newest_message": None if counted.newest is None else iso(counted.newest),
                "by_role": counted.by_role,
            }
        )

    return blueprint


def _session(session: SessionRecord) -> dict[str, Any]:
    times = ("last_at", "ended_at")
    found = fields(session)
    return found | {name: None if (at := found[name]) is None else iso(at) for name in times}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "match": message(hit.match),
        "session_id": hit.session_id,
        "context_before": [message(each) for each in hit.context_before],
        "context_after": [message(each) for each in hit.context_after],
        "highlight": hit.highlight,
    }


async def _body[T](kind: type[T]) -> T:
    raw = await request.get_data()
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise ClientError(f"invalid request body: {error}") from None


def _unknown() -> ClientError:
    return ClientError("session not found", status=404, code="session_not_found")
