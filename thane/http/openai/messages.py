"""Anthropic's messages."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.native.answers import answer
from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.wire.anthropic_messages import estimate
from thane.wire.codecs import MESSAGES


def routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/messages` and `POST /v1/messages/count_tokens`."""
    blueprint = Blueprint("messages", __name__)
    refuse_with(blueprint, MESSAGES)

    @blueprint.post("/v1/messages")
    async def messages() -> Response:
        """Anthropic's messages, streaming and whole, with errors in its form; the key may come as `x-api-key`. A call
        of one of the request's own `tools` ends the answer; tools of Anthropic's servers are left out. Thinking is
        told where `thinking` asks for it. Images come as base64; documents and files are refused."""
        return await reply(rooms, MESSAGES, await read(rooms, MESSAGES))

    @blueprint.post("/v1/messages/count_tokens")
    async def count_tokens() -> Response:
        """About how many tokens a request has: `{"input_tokens","estimated":true}`. An estimate from the length of its
        texts and tools, four characters a token, for models count each in their own way; without images, and without
        what Thane adds of its own."""
        request = await read(rooms, MESSAGES)
        return answer({"input_tokens": estimate(request.turn), "estimated": True})

    return blueprint
