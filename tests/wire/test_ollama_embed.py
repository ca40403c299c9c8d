"""Ollama's embeddings, in and out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from tests.wire.stories import documents
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.wire.ollama_embed import EmbedCall, decode, decode_older, encode, encode_older


@pytest.mark.parametrize(
    ("given_", "texts"),
    [("", ()), (None, ()), ([], ()), ("a", ("a",)), (["a", ""], ("a", "")), ([""], ("",)), (" ", (" ",))],
)
def test_an_input_is_a_text_or_several(given_: Any, texts: tuple[str, ...]) -> None:
    assert EmbedCall("m", texts) == decode({"model": "m", "input": given_}, Limits())


def test_keys_are_folded_and_the_rest_is_read() -> None:
    document = {
        "Model": "m",
        "INPUT": "a",
        "Dimensions": 8.0,
        "truncate": False,
        "keep_alive": "1m",
        "options": {"a": 1},
    }
    wanted = EmbedCall("m", ("a",), 8, truncate=False, keep_alive_seconds=60.0, options={"a": 1})
    assert wanted == decode(document, Limits())
    assert EmbedCall("m", ("a",)) == decode({"model": "m", "input": "a", "dimensions": 0, "options": None}, Limits())


def test_the_older_request_has_a_prompt() -> None:
    assert EmbedCall("m", ("a",), keep_alive_seconds=0.0) == decode_older(
        {"model": "m", "prompt": "a", "keep_alive": 0}
    )
    assert EmbedCall("m", ()) == decode_older({"model": "m"})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": 1}, "invalid input type"),
        ({"input": ["a", None]}, "invalid input type"),
        ({"input": {"a": 1}}, "invalid input type"),
        ({"dimensions": "8"}, "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int"),
        ({"truncate": 1}, "json: cannot unmarshal number into Go struct field EmbedRequest.truncate of type bool"),
        ({"keep_alive": True}, "Unsupported type: 'bool'"),
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError) as caught:
        decode({"model": "m"} | body, Limits())
    assert (400, words) == (caught.value.status, caught.value.message)


@given(documents("input", "prompt", "options", "dimensions", "truncate", "keep_alive"))
def test_nothing_but_a_client_error_is_raised(document: Any) -> None:
    with suppress(ClientError):
        decode(document, Limits())
    with suppress(ClientError):
        decode_older(document)


def test_answers_leave_out_what_is_not_known() -> None:
    assert {"model": "m", "embeddings": []} == json.loads(encode("m", ()))
    assert {
        "model": "m",
        "embeddings": [[0.5, -1.0]],
        "total_duration": 1_500_000,
        "load_duration": 1_000,
        "prompt_eval_count": 4,
    } == json.loads(encode("m", ((0.5, -1.0),), tokens=4, total=0.0015, load=1e-6))
    assert {"embedding": [1.0]} == json.loads(encode_older((1.0,)))
