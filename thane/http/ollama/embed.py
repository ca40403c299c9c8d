"""Embeddings in Ollama's protocol."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.http.documents import read_document
from thane.http.embedding import embed
from thane.http.offers import find
from thane.http.ollama.naming import check_form
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.models.embeddings import EmbedRequest
from thane.wire import ollama_embed
from thane.wire.codecs import OLLAMA
from thane.wire.ollama_embed import EmbedCall


def routes(rooms: Rooms) -> Blueprint:
    """`/api/embed` and the older `/api/embeddings`."""
    blueprint = Blueprint("ollama_embed", __name__)
    refuse_with(blueprint, OLLAMA)
    limits = rooms.settings.limits

    @blueprint.post("/api/embed")
    async def vectors() -> Response:
        """A vector of length 1 for each text of `input`, from the model server. One of Thane's own names stands for
        `embeddings.model`. 501 where no model makes embeddings, 429 where a budget forbids it."""
        call = ollama_embed.decode(await read_document(rooms), limits)
        _check_name(rooms, call.model)
        made = await embed(rooms, _request(call))
        return _json(
            ollama_embed.encode(
                call.model, made.vectors, tokens=made.tokens, total=made.total_duration, load=made.load_duration
            )
        )

    @blueprint.post("/api/embeddings")
    async def vector() -> Response:
        """The vector of one `prompt`, as the model gives it: `{"embedding":[…]}`."""
        call = ollama_embed.decode_older(await read_document(rooms))
        _check_name(rooms, call.model)
        made = await embed(rooms, _request(call, plain=True))
        return _json(ollama_embed.encode_older(made.vectors[0] if made.vectors else ()))

    return blueprint


def _check_name(rooms: Rooms, name: str) -> None:
    if find(rooms, name) is None:
        check_form(name)


def _request(call: EmbedCall, *, plain: bool = False) -> EmbedRequest:
    return EmbedRequest(
        call.model,
        call.texts,
        dimensions=call.dimensions,
        truncate=call.truncate,
        keep_alive_seconds=call.keep_alive_seconds,
        options=call.options,
        plain=plain,
    )


def _json(body: bytes) -> Response:
    return Response(body, content_type="application/json; charset=utf-8")
