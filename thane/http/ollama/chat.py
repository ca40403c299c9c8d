"""Chat in Ollama's protocol."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.loading import load
from thane.http.offers import find
from thane.http.ollama.naming import check_form, known
from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.wire.codecs import OLLAMA
from thane.wire.ollama_chat import load_reason
from thane.wire.ollama_reply import OllamaWhole, loaded


def routes(rooms: Rooms) -> Blueprint:
    """`POST /api/chat`."""
    blueprint = Blueprint("ollama_chat", __name__)
    refuse_with(blueprint, OLLAMA)

    @blueprint.post("/api/chat")
    async def chat() -> Response:
        """Ollama's chat, streaming unless `"stream":false`. Without messages its model server loads the model, or
        with `keep_alive` 0 unloads it; for a profile, the default model."""
        request = await read(rooms, OLLAMA)
        reason = load_reason(request.turn)
        if find(rooms, request.turn.model) is None:
            check_form(request.turn.model)
        if reason is None:
            return await reply(rooms, OLLAMA, request)
        await load(rooms, known(rooms, request.turn.model), request.turn)
        return Response(loaded(request, reason, rooms.clock), content_type=OllamaWhole.content_type)

    return blueprint
