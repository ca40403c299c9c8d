"""Embeddings for the routes of any protocol: which model is meant, and what a failure is for the client."""

from __future__ import annotations

import msgspec
import trio

from thane.errors import ClientError
from thane.http.offers import find
from thane.http.rooms import Rooms
from thane.ledger.entry import LedgerEntry, Outcome
from thane.models.embeddings import Embedder, Embeddings, EmbedRequest
from thane.models.provider import ModelError
from thane.turn import Usage

_HOW = (
    "set embeddings.enabled to true, embeddings.model to an embedding model such as nomic-embed-text, and "
    "models.ollama_url to the Ollama server that has it"
)
_CHARS_PER_TOKEN = 4  # about, where the model server gives no count
_CLIENTS_FAULT = frozenset({400, 413, 422, 501})
"""Statuses of a model server that say something of the request: a text too long, a model without embeddings."""


async def embed(rooms: Rooms, request: EmbedRequest) -> Embeddings:
    """A vector for each text; without texts nobody is asked. `request.model` is the name as the client wrote it.

    Raises ClientError: 501 where no model makes embeddings, 404 for an unknown one. Raises ModelError.
    """
    embedder, model = _meant(rooms, request.model)
    if not request.texts:
        return Embeddings(())
    try:
        return await _counted(rooms, embedder, msgspec.structs.replace(request, model=model))
    except ModelError as error:
        if error.status == 404:
            raise ClientError(
                f'model "{request.model}" not found, try pulling it first', status=404, code="model_not_found"
            ) from error
        if error.status in _CLIENTS_FAULT:
            raise ClientError(error.message, status=error.status or 400, code="embedding_refused") from error
        raise


async def _counted(rooms: Rooms, embedder: Embedder, request: EmbedRequest) -> Embeddings:
    """Make them, and tell the ledger: before the answer is given, also of a call that failed or was cut off."""
    began, at = trio.current_time(), rooms.clock.time()

    def entry(tokens: int, outcome: Outcome, *, estimated: bool) -> LedgerEntry:
        return LedgerEntry(
            run_id=rooms.ids.run(),
            place=0,
            at=at,
            channel="api",
            provider=embedder.name,
            model=request.model,
            usage=Usage(tokens, estimated=estimated),
            role="embedding",
            outcome=outcome,
            duration=trio.current_time() - began,
        )

    about = -(-sum(map(len, request.texts)) // _CHARS_PER_TOKEN)
    try:
        made = await embedder.embed(request)
    except ModelError:
        rooms.ledger.post(entry(0, "failed", estimated=False))
        raise
    except trio.Cancelled:
        rooms.ledger.post(entry(about, "cancelled", estimated=True))
        raise
    await rooms.ledger.record(entry(made.tokens or about, "done", estimated=not made.tokens))
    return made


def _meant(rooms: Rooms, name: str) -> tuple[Embedder, str]:
    """Who makes the vectors, with which model. Thane's own names stand for the configured embedding model."""
    settings = rooms.settings.embeddings
    if rooms.embedder is None:
        raise ClientError(f"Thane has no model that makes embeddings: {_HOW}", status=501, code="no_embeddings")
    own = rooms.profiles.find(name) is not None or name.strip().lower().removesuffix(":latest") == "embedded"
    if not own:
        offer = find(rooms, name)
        return rooms.embedder, offer.name.strip() if offer else name.strip()
    if not settings.enabled:
        raise ClientError(
            f"{name} makes no embeddings: ask for an embedding model of the model server, or {_HOW}",
            status=501,
            code="no_embeddings",
        )
    return rooms.embedder, settings.model
