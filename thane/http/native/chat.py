"""Chat on the native API: OpenAI's chat completions, and Thane's own `/v1/chat`."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.wire.codecs import NATIVE, OPENAI


def routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/chat`: one message of a conversation that Thane remembers."""
    blueprint = Blueprint("chat", __name__)
    refuse_with(blueprint, NATIVE)

    @blueprint.post("/v1/chat")
    async def chat() -> Response:
        """Answer `{"message","conversation_id"?,"stream"?,"model"?,"images"?,"think"?,"language"?,"area"?,"device"?,
        "user"?}`; `message` is required. Without `conversation_id` a new conversation begins; the answer names it:
        `{"response","model","conversation_id","run_id","finish_reason","steps","usage","duration_ms","first_token_ms"}`.
        With `"stream":true` it comes as `text/event-stream`, objects with a `type`: `started`, `text`, `thinking`,
        `tool_started`, `tool_finished`, and last `done`, with the same fields, or `error`."""
        return await reply(rooms, NATIVE, await read(rooms, NATIVE))

    return blueprint


def openai_routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/chat/completions`, on both listeners."""
    blueprint = Blueprint("completions", __name__)
    refuse_with(blueprint, OPENAI)

    @blueprint.post("/v1/chat/completions")
    async def completions() -> Response:
        """OpenAI's chat completions, streaming and whole. `model` is a profile or a model of `/v1/models`; a call of
        one of the request's own `tools` ends the answer. Conversations are told apart by `metadata.chat_id`,
        `conversation` or the history itself."""
        return await reply(rooms, OPENAI, await read(rooms, OPENAI))

    return blueprint
