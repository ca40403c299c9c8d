"""What texts mean, as vectors, for whoever can do without."""

from __future__ import annotations

from thane.models.embeddings import Embedder, EmbedRequest
from thane.models.provider import ModelError


async def meanings(embedder: Embedder, model: str, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
    """A vector of length 1 for each text; none at all when the model server fails."""
    try:
        return (await embedder.embed(EmbedRequest(model, texts, truncate=True))).vectors
    except ModelError:
        return ()
