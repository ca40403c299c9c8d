"""OpenAI's older completions."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.wire.codecs import COMPLETIONS


def routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/completions`."""
    blueprint = Blueprint("text_completions", __name__)
    refuse_with(blueprint, COMPLETIONS)

    @blueprint.post("/v1/completions")
    async def completions() -> Response:
        """OpenAI's older completions, streaming and whole: `prompt`, one text, is answered as what a user says.
        `suffix`, `echo`, and `n` or `best_of` above 1 are refused."""
        return await reply(rooms, COMPLETIONS, await read(rooms, COMPLETIONS))

    return blueprint
