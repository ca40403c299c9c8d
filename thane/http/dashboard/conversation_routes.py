"""The Conversations page, and what a person does there with one: name it, put it away, delete it."""

from __future__ import annotations

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from thane.http.dashboard.conversation_page import ConversationPage, Looked
from thane.http.dashboard.desk import Desk


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("conversation_pages", __name__)
    rooms = desk.rooms

    async def page(looked: Looked) -> Response:
        moment = rooms.clock.time()
        made = ConversationPage(desk, looked, desk.theme())
        parts = await made.parts()
        known = not looked.id or await rooms.archive.conversation(looked.id) is not None
        return desk.pages.response(
            "conversations.html",
            desk.theme(),
            200 if known else 404,
            page="chats",
            parts={name: part.whole(moment) for name, part in parts.items()},
            announcement=made.announcement.whole(moment),
            looked=looked,
        )

    @blueprint.get("/conversations")
    async def conversations() -> Response:
        """The page Conversations. What is looked for is in the query."""
        return await page(Looked.read(request.args))

    @blueprint.get("/conversations/<conversation_id>")
    async def conversation(conversation_id: str) -> Response:
        """The page Conversations with one of them; `at` is a message of the branch that is shown."""
        return await page(Looked.read(request.args, conversation_id))

    @blueprint.post("/conversations/<conversation_id>/rename")
    async def rename(conversation_id: str) -> WerkzeugResponse:
        """Give a conversation the title in the form."""
        await rooms.conversations.shelf.rename(conversation_id, (await request.form).get("title", ""))
        return redirect(Looked.read(request.args, conversation_id).address(), 303)

    @blueprint.post("/conversations/<conversation_id>/archive")
    async def archive(conversation_id: str) -> WerkzeugResponse:
        """Put a conversation away, or take it out again."""
        away = (await request.form).get("away") == "1"
        await rooms.conversations.shelf.put_away(conversation_id, away=away)
        return redirect(Looked.read(request.args, conversation_id).address(), 303)

    @blueprint.post("/conversations/<conversation_id>/delete")
    async def delete(conversation_id: str) -> WerkzeugResponse:
        """Delete a conversation."""
        await rooms.conversations.shelf.delete(conversation_id, "dashboard")
        return redirect(Looked.read(request.args).address(""), 303)

    return blueprint
