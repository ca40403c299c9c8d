"""OpenAI's embeddings."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.documents import read_document
from thane.http.embedding import embed
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.models.embeddings import EmbedRequest
from thane.wire import openai_embeddings
from thane.wire.codecs import OPENAI


def routes(rooms: Rooms) -> Blueprint:
    """`POST /v1/embeddings`."""
    blueprint = Blueprint("embeddings", __name__)
    refuse_with(blueprint, OPENAI)
    limits = rooms.settings.limits

    @blueprint.post("/v1/embeddings")
    async def embeddings() -> Response:
        """OpenAI's embeddings: a vector of length 1 for each text of `input`, as `encoding_format` `float` or `base64`.
        One of Thane's own names stands for `embeddings.model`. 501 where no model makes embeddings, 429 where a budget
        forbids it."""
        call = openai_embeddings.decode(await read_document(rooms), limits)
        made = await embed(rooms, EmbedRequest(call.model, call.texts, dimensions=call.dimensions))
        body = openai_embeddings.encode(call, made.vectors, made.tokens)
        return Response(body, content_type="application/json; charset=utf-8")

    return blueprint
