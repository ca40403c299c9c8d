"""OpenAI's embeddings, in and out: vectors as lists of numbers, or packed in base64 as its own SDKs ask for them.

Sources: OpenAI's API reference, openai-python's resources/embeddings.py, Ollama's openai/openai.go. Texts only, not
tokens: whose they are is not known here. Not here: asking a model (`thane.http.embedding`).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from thane.config.settings import Limits
from thane.turn import JSON
from thane.wire.chat import as_object
from thane.wire.errors import FieldError
from thane.wire.fields import Fields
from thane.wire.json_text import dump
from thane.wire.ollama_embed import check_texts
from thane.wire.openai_chat import DIALECT

type Encoding = Literal["float", "base64"]


class EmbeddingsCall(msgspec.Struct, frozen=True):
    """What a client asks for."""

    model: str
    texts: tuple[str, ...]
    encoding: Encoding = "float"
    dimensions: int | None = None


def decode(document: Any, limits: Limits) -> EmbeddingsCall:
    """Read a request. Raises ClientError (400)."""
    body = Fields(as_object(document), DIALECT)
    model = body.text("model")
    if not model.strip():
        raise FieldError("Missing required parameter: 'model'.", "model")
    texts = _texts(body)
    check_texts(len(texts), limits)
    encoding = body.text("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise FieldError(
            f"Invalid value: '{encoding}'. Supported values are: 'float' and 'base64'.",
            "encoding_format",
            code="invalid_value",
        )
    dimensions = body.integer("dimensions")
    if dimensions is not None and dimensions < 1:
        raise FieldError("Invalid 'dimensions': give a whole number from 1 on.", "dimensions")
    return EmbeddingsCall(model, texts, "base64" if encoding == "base64" else "float", dimensions)


def encode(call: EmbeddingsCall, vectors: Sequence[Sequence[float]], tokens: int) -> bytes:
    """The answer; `tokens` is 0 where the model server does not tell."""
    data: list[JSON] = [
        {"object": "embedding", "index": index, "embedding": _packed(each) if call.encoding == "base64" else each}
        for index, each in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return dump({"object": "list", "data": data, "model": call.model, "usage": usage})


def _texts(body: Fields) -> tuple[str, ...]:
    """One text or several, also empty ones; none at all is refused, for the SDK cannot read an answer without data."""
    value = body.values.get("input")
    if isinstance(value, str):
        return (value,)
    if value is None or value == []:
        raise FieldError("invalid input", "input")
    if not isinstance(value, list):
        raise body.wrong("input", "a string or an array of strings")
    return body.strings("input")


def _packed(vector: Sequence[float]) -> str:
    """Little-endian floats of 32 bits, in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
