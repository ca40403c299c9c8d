"""Conversations over the native API: the list, newest first, and one with all that was said in it."""

from __future__ import annotations

from quart import Blueprint, Response, request

from thane.errors import ClientError
from thane.http.native.answers import answer, fields, limit
from thane.http.native.said import message
from thane.http.rooms import Rooms

DEFAULT = 100
MOST = 1000


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/conversations` and `/v1/conversations/{id}`."""
    blueprint = Blueprint("conversations", __name__)
    archive = rooms.archive

    @blueprint.get("/v1/conversations")
    async def conversations() -> Response:
        """`{"conversations","count","next"}`, the one last spoken in first. `count` is of all that there are.
        `limit` is 100, at most 1000; `before` is the `next` of the page before, which is null on the last page."""
        most = limit(DEFAULT, MOST)
        found = await archive.conversations(limit=most + 1, before=request.args.get("before", ""))
        page, rest = found[:most], found[most:]
        return answer(
            {
                "conversations": [fields(record) for record in page],
                "count": await archive.count_conversations(),
                "next": page[-1].id if rest else None,
            }
        )

    @blueprint.get("/v1/conversations/<conversation_id>")
    async def conversation(conversation_id: str) -> Response:
        """A conversation with its `messages`, in the order in which they came; `parent_key` tells which message each
        follows, where a message was edited or an answer made anew. Images are given as their number."""
        record = await archive.conversation(conversation_id)
        if record is None:
            raise ClientError("conversation not found", status=404, code="conversation_not_found")
        messages = await archive.messages(conversation_id)
        return answer(fields(record) | {"messages": [message(each) for each in messages]})

    return blueprint
