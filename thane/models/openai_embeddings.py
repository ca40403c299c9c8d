"""Embeddings as an OpenAI-compatible server makes them: the request and the answer. No I/O.

Sources: OpenAI's API reference; llama.cpp, vLLM and LM Studio take the same. None of them knows Ollama's `truncate`,
`keep_alive` and `options`, so these are left out. A text that is too long is refused by most.
"""

from __future__ import annotations

import msgspec

from thane.models.embeddings import Embeddings, EmbedRequest, normalised
from thane.turn import JSON

PATH = "/embeddings"


class _Vector(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


class _Tokens(msgspec.Struct):
    embedding: tuple[tuple[float, ...], ...]


class _ByToken(msgspec.Struct):
    data: list[_Tokens]


def encode(request: EmbedRequest) -> bytes:
    """The body of the request."""
    body: JSON = {"model": request.model, "input": request.texts, "encoding_format": "float"}
    return msgspec.json.encode(body if request.dimensions is None else body | {"dimensions": request.dimensions})


def decode(body: bytes, request: EmbedRequest) -> Embeddings:
    """The answer to `request`. Raises msgspec.DecodeError for what is none."""
    told = msgspec.json.decode(body, type=_Answer)
    found = sorted(told.data, key=lambda each: each.index)
    vectors = tuple(each.embedding if request.plain else normalised(each.embedding) for each in found)
    if len(vectors) != len(request.texts) or not all(vectors):
        raise msgspec.ValidationError(f"{len(vectors)} vectors for {len(request.texts)} texts")
    usage = told.usage or _Usage()
    return Embeddings(vectors, tokens=max(usage.prompt_tokens or usage.total_tokens or 0, 0))


def problem(body: bytes, model: str) -> str:
    """What is wrong with an answer that `decode` cannot read, for a person."""
    try:
        by_token = bool(msgspec.json.decode(body, type=_ByToken).data)
    except msgspec.DecodeError:
        by_token = False
    if not by_token:
        return "The model server sent something that is no embedding."
    return f"The model server gives a vector for each token, and none for a text: “{model}” is no embedding model."
