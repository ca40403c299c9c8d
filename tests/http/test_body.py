from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.config.settings import Limits
from thane.errors import ClientError
from thane.http.body import RequestBody, nests_deeper, read_json

LIMITS = Limits(json_depth=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=40,
)


class Wish(msgspec.Struct):
    model: str
    count: int = 1


def depth(value: Any) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


def refused(raw: bytes, **options: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        read_json(raw, limits=LIMITS, **options)
    assert 400 == caught.value.status
    return caught.value


def test_a_body_becomes_the_asked_type() -> None:
    assert Wish("m", 2) == read_json(b'{"model":"m","count":2,"other":null}', Wish, limits=LIMITS)
    assert {"a": [1]} == read_json(b'{"a":[1]}', limits=LIMITS)


@pytest.mark.parametrize("raw", [b"", b" \r\n\t"])
def test_an_empty_body_is_called_missing(raw: bytes) -> None:
    assert "missing request body" == refused(raw).message
    assert "missing_body" == refused(raw, tolerant=True).code


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize(
    "raw", [b"{", b"{]", b"nonsense", b"{'a':1}", b'{"a":NaN}', b'"\x01"', b"[1,]", b'{"a":1e999}', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_refused_with_a_reason(raw: bytes, tolerant: bool) -> None:
    assert refused(raw, tolerant=tolerant).message


def test_a_wrong_type_is_refused_with_its_place() -> None:
    error = refused(b'{"model":5}', type=Wish)
    assert "invalid request: Expected `str`, got `int` - at `$.model`" == error.message
    assert error.message == refused(b'{"model":5} trailing', type=Wish, tolerant=True).message


def test_a_tolerant_reader_ignores_what_follows_the_first_value() -> None:
    assert {"a": "}"} == read_json(b' {"a":"}"} {"b":2} more', limits=LIMITS, tolerant=True)
    assert "trailing" in refused(b'{"a":1} x').message


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"a":"x\xffy"}', "x�y"),
        (rb'{"a":"x\ud800y"}', "x�y"),
        (rb'{"a":"x\udc00y"}', "x�y"),
        (rb'{"a":"\ud800"}', "�"),
        (rb'{"a":"\ud800\u0041"}', "�A"),
        (rb'{"a":"\ud83d\ude00 \udfff"}', "😀 �"),
        (rb'{"a":"\\ud800 \ud800"}', "\\ud800 �"),
    ],
)
def test_a_tolerant_reader_replaces_what_is_no_unicode(raw: bytes, text: str) -> None:
    assert {"a": text} == read_json(raw, limits=LIMITS, tolerant=True)
    assert {"a": text} == read_json(raw + b" trailing", limits=LIMITS, tolerant=True)
    refused(raw)


@given(VALUES)
def test_depth_is_measured_exactly(value: Any) -> None:
    raw = json.dumps(value).encode()
    measured = depth(value)
    assert not nests_deeper(raw, measured)
    if measured:
        assert nests_deeper(raw, measured - 1)


@given(st.text(alphabet='{}[]"\\x', max_size=60))
def test_brackets_within_strings_do_not_count(text: str) -> None:
    assert not nests_deeper(json.dumps([text] * 3).encode(), 1)


@pytest.mark.parametrize("raw", [b"[" * 9 + b"]" * 9, b'{"a":' * 9 + b"1" + b"}" * 9, b"[" * 100_000])
def test_what_nests_too_deep_is_refused(raw: bytes) -> None:
    assert "json_too_deep" == refused(raw).code
    assert "json_too_deep" == refused(raw, tolerant=True).code


def test_no_depth_that_may_be_configured_exhausts_the_stack() -> None:
    raw = b"[" * 500 + b"]" * 500
    assert 500 == depth(read_json(raw, limits=Limits(json_depth=500)))
    with pytest.raises(ClientError, match="nests deeper than 499"):
        read_json(raw, limits=Limits(json_depth=499))


def test_a_decoder_that_runs_out_of_stack_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(msgspec.json, "decode", fail)
    assert "json_too_deep" == refused(b"{}").code


def test_a_truncated_body_is_not_called_too_deep() -> None:
    assert "invalid_json" == refused(b'{"a":[' + b"[1],{}," * 20).code


def body_of(*pieces: bytes, expected: int | None = None, maximum: int | None = 10) -> RequestBody:
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    body = RequestBody(expected, maximum)
    body.attach(receive)
    return body


async def test_a_body_is_read_whole_and_once() -> None:
    body = body_of(b"abc", b"", b"def")
    assert b"abcdef" == await body
    assert b"abcdef" == await body


async def test_a_body_is_read_in_pieces() -> None:
    assert [b"abc", b"def"] == [piece async for piece in body_of(b"abc", b"", b"def")]
    assert [] == [piece async for piece in body_of(b"")]


async def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    source = random.Random(1)
    body = body_of(*[source.randbytes(4) for _ in range(100)])
    with pytest.raises(ClientError, match="larger than 10 bytes") as caught:
        await body
    assert 413 == caught.value.status
    assert 12 == body.seen


async def test_a_body_that_announces_to_be_too_large_is_not_read() -> None:
    body = body_of(b"", expected=11)
    with pytest.raises(ClientError, match="larger than 10 bytes"):
        await body
    assert 0 == body.seen
    assert b"x" * 10 == await body_of(b"x" * 10, expected=10)
