"""A single prompt in Ollama's protocol."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.loading import load
from thane.http.ollama.naming import known
from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.wire.codecs import OLLAMA_GENERATE
from thane.wire.ollama_chat import load_reason
from thane.wire.ollama_generate import GenerateWhole, loaded


def routes(rooms: Rooms) -> Blueprint:
    """`POST /api/generate`."""
    blueprint = Blueprint("ollama_generate", __name__)
    refuse_with(blueprint, OLLAMA_GENERATE)

    @blueprint.post("/api/generate")
    async def generate() -> Response:
        """Ollama's answer to one `prompt`, streaming unless `"stream":false`. Each prompt begins a new conversation;
        with the `context` of an answer it continues that one. `raw` changes nothing but that no `context` is given;
        `suffix` and `template` are refused. Without a prompt its model server loads the model, or with
        `keep_alive` 0 unloads it; for a profile, the default model."""
        request = await read(rooms, OLLAMA_GENERATE)
        offer = known(rooms, request.turn.model)
        reason = load_reason(request.turn)
        if reason is None:
            return await reply(rooms, OLLAMA_GENERATE, request)
        await load(rooms, offer, request.turn)
        return Response(loaded(request, reason, rooms.clock), content_type=GenerateWhole.content_type)

    return blueprint
