"""Ollama's `/api/embed` and the older `/api/embeddings`, in and out.

Sources: Ollama's api/types.go and server/routes.go (EmbedHandler, EmbeddingsHandler). Not here: asking a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import JSON
from thane.wire.chat import as_object
from thane.wire.errors import FieldError
from thane.wire.fields import Fields
from thane.wire.json_text import dump
from thane.wire.ollama_chat import GoDialect, keep_alive

_EMBED = GoDialect("EmbedRequest")
_EMBEDDING = GoDialect("EmbeddingRequest")
_NANOSECONDS = 1_000_000_000


class EmbedCall(msgspec.Struct, frozen=True):
    """What a client asks for. No texts: no vectors."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    truncate: bool | None = None
    keep_alive_seconds: float | None = None
    options: JSON = {}


def decode(document: Any, limits: Limits) -> EmbedCall:
    """Read `/api/embed`. Raises ClientError in Ollama's words."""
    body = Fields(as_object(document), _EMBED)
    texts = _input(body.values.get("input"))
    check_texts(len(texts), limits)
    model = body.text("model")
    if not model.strip():
        raise ClientError(f"model '{model}' not found", status=404, code="model_not_found")
    dimensions = body.integer("dimensions")
    return _call(body, model, texts, dimensions if dimensions and dimensions > 0 else None)


def decode_older(document: Any) -> EmbedCall:
    """Read `/api/embeddings`: one text, called `prompt`. Raises ClientError in Ollama's words."""
    body = Fields(as_object(document), _EMBEDDING)
    model, prompt = body.text("model"), body.text("prompt")
    if not model.strip():
        raise FieldError("model is required", "model")
    return _call(body, model, (prompt,) if prompt else (), None)


def _call(body: Fields, model: str, texts: tuple[str, ...], dimensions: int | None) -> EmbedCall:
    options = body.mapping("options") or {}
    return EmbedCall(
        model,
        texts,
        dimensions=dimensions,
        truncate=None if body.values.get("truncate") is None else body.flag("truncate", default=True),
        keep_alive_seconds=keep_alive(body.values.get("keep_alive")),
        options={key: value for key, value in options.items() if value is not None},
    )


def _input(value: Any) -> tuple[str, ...]:
    """`""` alone and nothing are no text; in a list, an empty text is one."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise FieldError("invalid input type", "input")


def check_texts(count: int, limits: Limits) -> None:
    """Refuse more texts than one request may bring."""
    if count > limits.texts_per_embedding:
        raise FieldError(
            f"the request has {count} texts; at most {limits.texts_per_embedding} are accepted "
            "(limits.texts_per_embedding)",
            "input",
        )


def encode(
    model: str, vectors: Sequence[Sequence[float]], *, tokens: int = 0, total: float = 0.0, load: float = 0.0
) -> bytes:
    """The answer of `/api/embed`. Durations in seconds; what is 0 is left out."""
    counts = {
        "total_duration": round(total * _NANOSECONDS),
        "load_duration": round(load * _NANOSECONDS),
        "prompt_eval_count": tokens,
    }
    return dump({"model": model, "embeddings": vectors} | {name: count for name, count in counts.items() if count})


def encode_older(vector: Sequence[float]) -> bytes:
    """The answer of `/api/embeddings`."""
    return dump({"embedding": vector})
