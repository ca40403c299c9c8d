"""The Now page, and the live channel of both pages."""

from __future__ import annotations

from quart import Blueprint, Response, request, websocket

from thane.conversations.lookup import path_to_head
from thane.http.dashboard.chat_log import Said, chat_log
from thane.http.dashboard.conversation_page import ConversationPage, Looked
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.event_query import EventQuery
from thane.http.dashboard.live import feed_conversations, feed_events, feed_now, feed_run
from thane.http.offers import offers
from thane.http.rooms import Rooms
from thane.memory.records import RunRecord


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("now", __name__)

    @blueprint.get("/")
    async def now() -> Response:
        """The page Now."""
        return await now_page(desk, request.args.get("conversation", ""))

    @blueprint.websocket("/live")
    async def live() -> None:
        """What changes on the page that is open, as parts of it."""
        if websocket.args.get("page") == "events":
            query, since = EventQuery.read(websocket.args), websocket.args.get("since", 0, type=int)
            await feed_events(desk.rooms, desk.board, query, since, websocket.send)
        elif websocket.args.get("page") == "run":
            await feed_run(desk.rooms, websocket.args.get("id", ""), websocket.send)
        elif websocket.args.get("page") == "conversations":
            page = ConversationPage(desk, Looked.read(websocket.args))
            await feed_conversations(desk.rooms, page, websocket.send)
        else:
            await feed_now(desk.rooms, desk.board, websocket.send)

    return blueprint


async def now_page(desk: Desk, conversation_id: str, *extra: Said, status: int = 200) -> Response:
    """The page with a conversation in its chat box ("" for a new one); `extra` is shown after what is stored."""
    rooms, moment = desk.rooms, desk.rooms.clock.time()
    record = await rooms.archive.conversation(conversation_id) if conversation_id else None
    said = await _said(rooms, conversation_id) if record is not None else []
    page = await desk.board.page()
    return desk.pages.response(
        "now.html",
        desk.theme(),
        status,
        page="now",
        parts={name: part.whole(moment) for name, part in page.items()},
        announcement=desk.board.announcement.whole(moment),
        said=[*said, *extra],
        conversation=conversation_id if record is not None else "",
        conversation_title=record.title if record is not None else "",
        offers=offers(rooms),
        longest=rooms.settings.dashboard.message_chars,
    )


async def _said(rooms: Rooms, conversation_id: str) -> list[Said]:
    """The newest branch of a conversation, as far as the chat box shows it."""
    messages = path_to_head(await rooms.archive.messages(conversation_id))[-rooms.settings.dashboard.chat_messages :]
    runs: dict[str, RunRecord] = {}
    for run_id in dict.fromkeys(message.run_id for message in messages):
        if run := await rooms.archive.run(run_id):
            runs[run_id] = run
    return chat_log(messages, runs)
