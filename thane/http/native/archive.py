"""What was said, over the native API: search, messages by time, and how much there is."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Response, request

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer, limit
from thane.http.native.query import cursor, duration, number, once, paged, when
from thane.http.native.said import message
from thane.http.rooms import Rooms
from thane.memory.search import Around, Hit, Wanted

_MOST = 500
_ROLES = ("system", "user", "assistant", "tool")


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/archive/…`, except for the sessions."""
    blueprint = Blueprint("archive", __name__)
    archive, settings = rooms.archive, rooms.settings

    @blueprint.get("/v1/archive/search")
    async def find() -> Response:
        """`{"results","count","query","next","instead"}`: the messages in which the words of `q` stand, best first,
        each with the exchange around it. `"a phrase"`, `begin*`, `OR`, `NOT` and `-word` mean what they look like;
        no query is an error but an empty one. Filters: `conversation_id`, `role`, `channel`, `tool`, `since`, `until`.
        `limit` is 10, at most 500. `silence` (such as `10m`) ends the surrounding exchange, `context` is how many of
        its messages are given each way. `instead` has the words that were looked for in place of misspelt ones."""
        text = once("q")
        if not text.strip():
            raise ClientError("q parameter is required")
        role = once("role")
        if role not in ("", *_ROLES):
            raise ClientError(f"role: give one of {', '.join(_ROLES)}, not '{role}'")
        limits = settings.archive
        context, silence = number("context", limits.search_context_messages), duration("silence")
        around = Around(
            limits.search_context_messages if context is None else context,
            limits.search_silence_seconds if silence is None else silence,
            limits.search_context_seconds,
        )
        wanted = Wanted(
            conversation_id=once("conversation_id"),
            role=role or None,  # pyright: ignore[reportArgumentType]  one of the roles, as was just checked
            channel=once("channel"),
            since=when("since"),
            until=when("until"),
            tool=once("tool"),
        )
        most, start = limit(10, _MOST), cursor(tuple[int]) or (0,)
        found = await archive.search.find(text, wanted, limit=most + 1, offset=start[0], around=around)
        page, following = paged(found.hits, most, lambda _: (start[0] + most,))
        return answer(
            {
                "results": [_hit(each) for each in page],
                "count": len(page),
                "query": text,
                "next": following,
                "instead": found.instead,
            }
        )

    @blueprint.get("/v1/archive/messages")
    async def messages() -> Response:
        """`{"messages","count","from","to","next"}`: what was said from `from` to `to` (RFC 3339, both needed), oldest
        first. `limit` is 500, which is the most; `conversation_id` selects; `cursor` is the `next` of the last page."""
        first, last = when("from"), when("to")
        if first is None or last is None:
            raise ClientError("from and to parameters are required (RFC3339)")
        most, start = limit(_MOST, _MOST), cursor(tuple[float, int]) or (first - 1.0, 0)
        talk = once("conversation_id")
        found = await archive.search.between(first, last, conversation_id=talk, limit=most + 1, start=start)
        page, following = paged(found, most, lambda last: (last[1].at, last[0]))
        return answer(
            {
                "messages": [message(each) for _, each in page],
                "count": len(page),
                "from": request.args["from"],
                "to": request.args["to"],
                "next": following,
            }
        )

    @blueprint.get("/v1/archive/stats")
    async def statistics() -> Response:
        """How much there is: `{"total_messages","total_sessions","total_tool_calls","oldest_message","newest_message",
        "by_role"}`; the times are null where there is nothing."""
        counted = await archive.search.statistics()
        return answer(
            {
                "total_messages": counted.messages,
                "total_sessions": counted.sessions,
                "total_tool_calls": counted.tool_calls,
                "oldest_message": None if counted.oldest is None else iso(counted.oldest),
                "newest_message": None if counted.newest is None else iso(counted.newest),
                "by_role": counted.by_role,
                "by_status": {"active": counted.messages - counted.put_away, "archived": counted.put_away},
            }
        )

    return blueprint


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "match": message(hit.match),
        "session_id": hit.session_id,
        "context_before": [message(each) for each in hit.context_before],
        "context_after": [message(each) for each in hit.context_after],
        "highlight": hit.highlight,
    }
