"""Embeddings: what is asked of a provider that has them, and Ollama's form of it. No I/O.

Sources: Ollama's api/types.go (EmbedRequest, EmbedResponse, EmbeddingRequest) and server/routes.go. Not here: which
model is meant, and what a client is told (`thane.http.embedding`).
"""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import msgspec

from thane.turn import JSON

_SECOND = 1_000_000_000  # Ollama's durations are integer nanoseconds
_UNIT = 1e-3
"""How far from 1 the square of a vector's length may be."""


class EmbedRequest(msgspec.Struct, frozen=True):
    """One call. `model` is the provider's own name for it; None leaves a thing to the model server.

    `plain`: vectors as the model gives them, not of length 1; then only one text may be asked for.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    truncate: bool | None = None
    keep_alive_seconds: float | None = None
    options: JSON = {}
    plain: bool = False


class Embeddings(msgspec.Struct, frozen=True):
    """A vector for each text, in their order. Durations in seconds; `tokens` is 0 where the server does not tell."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int = 0
    total_duration: float = 0.0
    load_duration: float = 0.0


@runtime_checkable
class Embedder(Protocol):
    """A provider that has embeddings."""

    @property
    def name(self) -> str: ...

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Raises `ModelError`. Cancelling closes the connection to the model server."""
        ...


class _Embedded(msgspec.Struct):
    embeddings: tuple[tuple[float, ...], ...] | None = None
    embedding: tuple[float, ...] | None = None
    prompt_eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None


def path_of(request: EmbedRequest) -> str:
    """Where Ollama answers such a request."""
    return "/api/embeddings" if request.plain else "/api/embed"


def encode(request: EmbedRequest) -> bytes:
    """The body of the request to Ollama."""
    seconds = request.keep_alive_seconds
    optional: dict[str, Any] = {
        "dimensions": request.dimensions,
        "truncate": request.truncate,
        "keep_alive": int(seconds) if seconds is not None and seconds == int(seconds) else seconds,
        "options": request.options or None,
    }
    body: dict[str, Any] = {"model": request.model}
    body |= {"prompt": request.texts[0]} if request.plain else {"input": request.texts}
    return msgspec.json.encode(body | {name: value for name, value in optional.items() if value is not None})


def decode(body: bytes, request: EmbedRequest) -> Embeddings:
    """The answer to `request`. Raises msgspec.DecodeError for what is none."""
    told = msgspec.json.decode(body, type=_Embedded)
    vectors = (told.embedding or (),) if request.plain else tuple(map(normalised, told.embeddings or ()))
    if len(vectors) != len(request.texts) or not all(vectors):
        raise msgspec.ValidationError(f"{len(vectors)} vectors for {len(request.texts)} texts")
    return Embeddings(
        vectors,
        tokens=told.prompt_eval_count or 0,
        total_duration=(told.total_duration or 0) / _SECOND,
        load_duration=(told.load_duration or 0) / _SECOND,
    )


def normalised(vector: tuple[float, ...]) -> tuple[float, ...]:
    """The vector with length 1. Ollama's are so already; those of servers that only look like it need not be."""
    square = math.sumprod(vector, vector)
    if square == 0 or abs(square - 1) < _UNIT:
        return vector
    length = math.sqrt(square)
    return tuple(each / length for each in vector)
