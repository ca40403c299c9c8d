"""OpenAI's embeddings, read and written."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from openai.types import CreateEmbeddingResponse

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.wire.errors import FieldError
from thane.wire.openai_embeddings import EmbeddingsCall, decode, encode


def read(**body: Any) -> EmbeddingsCall:
    return decode({"model": "m", "input": "hi"} | body, Limits(texts_per_embedding=2))


@pytest.mark.parametrize(("given", "texts"), [("hi", ("hi",)), ("", ("",)), (["a", ""], ("a", ""))])
def test_texts_are_read(given: object, texts: tuple[str, ...]) -> None:
    assert EmbeddingsCall("m", texts) == read(input=given)


def test_the_form_is_read() -> None:
    assert EmbeddingsCall("m", ("hi",), "base64", 3) == read(encoding_format="base64", dimensions=3.0)
    assert EmbeddingsCall("m", ("hi",)) == read(encoding_format=None, dimensions=None, user="u")


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"model": " "}, "model", "Missing required parameter: 'model'."),
        ({"input": None}, "input", "invalid input"),
        ({"input": []}, "input", "invalid input"),
        (
            {"input": 7},
            "input",
            "Invalid type for 'input': expected a string or an array of strings, but got an integer",
        ),
        ({"input": [1, 2]}, "input[0]", "Invalid type for 'input[0]': expected a string, but got an integer"),
        ({"input": ["a"] * 3}, "input", "the request has 3 texts; at most 2 are accepted"),
        ({"encoding_format": "int8"}, "encoding_format", "Invalid value: 'int8'."),
        ({"dimensions": 0}, "dimensions", "Invalid 'dimensions'"),
    ],
)
def test_wrong_requests_are_refused(body: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(**body)
    assert (400, param) == (caught.value.status, caught.value.param)
    assert caught.value.message.startswith(message)


@given(documents("input", "encoding_format", "dimensions"))
def test_anything_is_read_or_refused(document: Any) -> None:
    try:
        assert decode(document, Limits()).texts
    except ClientError as error:
        assert 400 == error.status  # noqa: PT017 either outcome is right


def test_vectors_are_written_as_numbers_or_packed() -> None:
    vectors = [(1.0, 0.0), (0.6, -0.8)]
    told = msgspec.json.decode(encode(EmbeddingsCall("m", ("a", "b")), vectors, 5))
    assert {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.6, -0.8]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    } == told
    CreateEmbeddingResponse.model_validate(told, strict=True)
    packed = msgspec.json.decode(encode(EmbeddingsCall("m", ("a", "b"), "base64"), vectors, 5))["data"][1]["embedding"]
    assert struct.pack("<2f", 0.6, -0.8) == base64.b64decode(packed)
