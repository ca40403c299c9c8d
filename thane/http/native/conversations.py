"""Conversations over the native API: the list, one with all that was said in it, and what a person does with it."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from quart import Blueprint, Response, request

from thane.conversations.shelf import unknown
from thane.errors import ClientError
from thane.http.body import read_json
from thane.http.native.answers import answer, fields, limit
from thane.http.native.export import as_fields, as_markdown
from thane.http.native.query import choice, cursor, next_cursor, number, once, when
from thane.http.native.runs import asked_by
from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.memory.archive import Archive
from thane.memory.records import ConversationQuery, ConversationRecord, RunRecord
from thane.wire.codecs import NATIVE

DEFAULT = 100
MOST = 1000
_CHANNELS = ("", "owu", "ha", "api")
_SORTS = ("updated", "created", "title", "messages")
_ARCHIVED: dict[str, bool | None] = {"false": False, "true": True, "all": None}
_MANY = 10**9
_JSON, _MARKDOWN = "json", "markdown"


def wanted_conversations(most: int) -> ConversationQuery:
    """What the query of the request that Quart is handling selects. Raises ClientError."""
    sort: Any = choice("sort", *_SORTS)
    order: Any = choice("order", "desc", "asc")
    return ConversationQuery(
        ids=tuple(each for given in request.args.getlist("ids") for each in given.split(",") if each),
        channel=choice("channel", *_CHANNELS),
        user=once("user").strip(),
        area=once("area").strip(),
        q=once("q").strip(),
        updated_after=when("updated_after"),
        updated_before=when("updated_before"),
        created_after=when("created_after"),
        created_before=when("created_before"),
        min_messages=number("min_messages", _MANY),
        max_messages=number("max_messages", _MANY),
        archived=_ARCHIVED[choice("archived", *_ARCHIVED)],
        sort=sort,
        order=order,
        limit=most,
        after=_place(f"{sort} {order}"),
    )


def _place(order: str) -> tuple[float | int | str, str] | None:
    """Where the page begins. A cursor is only good for a list of the same order."""
    given = cursor(tuple[str, float | int | str, str])
    if given is None:
        return None
    if given[0] != order:
        raise ClientError("cursor: it is of a list with another `sort` or `order`")
    return given[1:]


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/conversations` and what is below it."""
    blueprint = Blueprint("conversations", __name__)
    archive = rooms.archive

    @blueprint.get("/v1/conversations")
    async def conversations() -> Response:
        """`{"conversations","count","next"}`, the one last spoken in first. `count` is of all that fit. `limit` is
        100, at most 1000; `cursor` is the `next` of the page before, which is null on the last page. `q` is looked
        for in titles and in what was said. Those that were put away come with `archived=true` or `all`."""
        query = wanted_conversations(limit(DEFAULT, MOST))
        page = await archive.find(query)
        return answer(
            {
                "conversations": [fields(record) for record in page.conversations],
                "count": page.count,
                "next": next_cursor(f"{query.sort} {query.order}", *page.after) if page.after else None,
            }
        )

    @blueprint.get("/v1/conversations/<conversation_id>")
    async def conversation(conversation_id: str) -> Response:
        """A conversation with its `messages`, in the order in which they came; `parent_key` tells which message each
        follows, where a message was edited or an answer made anew, and `branches` each way through them, the one last
        spoken in first. Images are given as their number."""
        record = await _found(archive, conversation_id)
        return answer(as_fields(record, await archive.messages(conversation_id)))

    @blueprint.patch("/v1/conversations/<conversation_id>")
    async def change(conversation_id: str) -> Response:
        """Rename a conversation (`{"title"}`), put it away or take it out again (`{"archived"}`), or both. The title
        then stays as it is. A new turn takes a conversation out again."""
        title, archived = _changes(read_json(await request.body, limits=rooms.settings.limits, tolerant=True))
        record = await _found(archive, conversation_id)
        if title is not None:
            record = await rooms.conversations.shelf.rename(conversation_id, title)
        if archived is not None:
            record = await rooms.conversations.shelf.put_away(conversation_id, away=archived)
        return answer(fields(record))

    @blueprint.delete("/v1/conversations/<conversation_id>")
    async def delete(conversation_id: str) -> Response:
        """Delete a conversation: what runs in it is stopped, its messages and runs are forgotten, and nobody is known
        by them again. What it cost stays in the accounts."""
        await rooms.conversations.shelf.delete(conversation_id, asked_by())
        return answer({"id": conversation_id, "status": "deleted"})

    return blueprint


def export_routes(rooms: Rooms) -> Blueprint:
    """`/v1/conversations/{id}/export`."""
    blueprint = Blueprint("conversation_export", __name__)
    archive = rooms.archive

    @blueprint.get("/v1/conversations/<conversation_id>/export")
    async def export(conversation_id: str) -> Response:
        """A conversation as a file: `format` is `markdown` (or `md`) or `json`."""
        how = choice("format", _MARKDOWN, "md", _JSON)
        record = await _found(archive, conversation_id)
        messages = await archive.messages(conversation_id)
        name = "".join(char if char.isalnum() and char.isascii() else "-" for char in conversation_id)
        if how == _JSON:
            response, suffix = answer(as_fields(record, messages)), "json"
        else:
            runs: dict[str, RunRecord] = {}
            for run_id in dict.fromkeys(message.run_id for message in messages):
                if run := await archive.run(run_id):
                    runs[run_id] = run
            text, suffix = as_markdown(record, messages, runs), "md"
            response = Response(text, content_type="text/markdown; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="conversation-{name}.{suffix}"'
        return response

    return blueprint


def message_routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/conversations/{id}/messages`."""
    blueprint = Blueprint("conversation_messages", __name__)
    refuse_with(blueprint, NATIVE)

    @blueprint.post("/v1/conversations/<conversation_id>/messages")
    async def say(conversation_id: str) -> Response:
        """Say something in a conversation, of whichever channel it is: the body and the answer are those of
        `POST /v1/chat`, without `conversation_id`."""
        if await rooms.archive.conversation(conversation_id) is None:
            raise unknown()
        chat = await read(rooms, NATIVE)
        turn = chat.turn
        caller = msgspec.structs.replace(turn.caller, conversation_id=conversation_id, channel="api")
        turn = msgspec.structs.replace(turn, caller=caller, continues=True)
        return await reply(rooms, NATIVE, msgspec.structs.replace(chat, turn=turn))

    return blueprint


async def _found(archive: Archive, conversation_id: str) -> ConversationRecord:
    record = await archive.conversation(conversation_id)
    if record is None:
        raise unknown()
    return record


def _changes(document: object) -> tuple[str | None, bool | None]:
    if not isinstance(document, dict):
        raise ClientError("give an object with `title` or `archived`")
    given = cast("dict[str, object]", document)
    title, archived = given.get("title"), given.get("archived")
    if title is not None and not isinstance(title, str):
        raise ClientError("title: give a text", code="invalid_title")
    if archived is not None and not isinstance(archived, bool):
        raise ClientError("archived: give true or false")
    if title is None and archived is None:
        raise ClientError("give `title` or `archived`: there is nothing else to change")
    return title, archived
