"""The chat box's request: streamed to the page's script, or, without one, answered with a whole page."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from thane.errors import ClientError
from thane.http.dashboard.chat import CONTENT_TYPE, Question, encode, make_turn, read_question
from thane.http.dashboard.chat_log import Said
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.now_routes import now_page
from thane.http.offers import check
from thane.http.quart_app import stream
from thane.turn import RunFailed, Turn


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("chat", __name__)

    @blueprint.post("/dash/chat")
    async def chat() -> Response | WerkzeugResponse:
        """Say what the chat box holds: NDJSON for the page's script, otherwise the whole page with the answer."""
        body: bytes = await request.get_data(as_text=False)  # pyright: ignore[reportAssignmentType] as asked for
        question = read_question(body, desk.rooms.settings.dashboard.message_chars)
        turn = make_turn(question, request.headers.get("User-Agent", ""))
        check(desk.rooms, turn.model)
        if CONTENT_TYPE in request.headers.get("Accept", ""):
            return await stream(_lines(desk, turn), content_type=CONTENT_TYPE)
        return await _whole(desk, question, turn)

    return blueprint


async def _lines(desk: Desk, turn: Turn) -> AsyncGenerator[bytes]:
    async with desk.rooms.conversations.open(turn) as opened:
        async for batch in opened.batches:
            if lines := encode(batch):
                yield lines  # noqa: ASYNC119 `stream` closes this generator


async def _whole(desk: Desk, question: Question, turn: Turn) -> Response | WerkzeugResponse:
    """Run the turn to its end, then show its conversation; a failure is shown under the question."""
    asked = Said(mine=True, text=question.text)
    try:
        async with desk.rooms.conversations.open(turn) as opened:
            events = [event async for batch in opened.batches for event in batch]
    except ClientError as error:
        failed = Said(mine=False, text="", problem=error.message)
        return await now_page(desk, question.conversation_id, asked, failed, status=error.status)
    if events and isinstance(last := events[-1], RunFailed):
        failed = Said(mine=False, text="", problem=last.message)
        return await now_page(desk, question.conversation_id, asked, failed, status=503)
    return redirect(f"/?conversation={opened.conversation_id}#ask", 303)
