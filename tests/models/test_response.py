from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.models.response import HEAD_BYTES, MessageError, ResponseReader

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, cuts: list[int] | None = None) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    body = b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            body += reader.receive(data[start:end])
    return reader, body


def test_chunks_that_arrive_together_come_out_as_one_piece():
    reader, body = read(CHUNKED + b"5\r\nHello\r\n1;ext=1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n")
    assert (200, b"Hello 0123456789", True, True) == (reader.status, body, reader.complete, reader.reusable)


def test_a_part_of_a_chunk_is_not_held_back():
    reader, body = read(CHUNKED + b"ffff\r\nonly the beginning")
    assert b"only the beginning" == body
    assert not reader.complete


@given(
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    framing=st.sampled_from(["chunked", "length"]),
)
def test_what_h11_writes_is_read_however_it_is_cut(parts: list[bytes], cuts: list[int], framing: str):
    whole = b"".join(parts)
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    server.next_event()
    server.next_event()
    header = ("Content-Length", str(len(whole))) if framing == "length" else ("Transfer-Encoding", "chunked")
    data = server.send(h11.Response(status_code=201, headers=[("X-Name", "spaced value"), header])) or b""
    for part in parts:
        data += server.send(h11.Data(data=part)) or b""
    data += server.send(h11.EndOfMessage()) or b""
    reader, body = read(data, cuts)
    assert (201, whole, True, True) == (reader.status, body, reader.complete, reader.reusable)
    assert (b"x-name", b"spaced value") in [(name.lower(), value) for name, value in reader.fields]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4), st.booleans())
def test_garbage_is_an_error_or_waits_for_more_and_never_anything_else(data: bytes, cuts: list[int], head: bool):
    try:
        reader, _ = read(CHUNKED + data if head else data, cuts)
        reader.end()
    except MessageError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad line\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        CHUNKED + b"0x5\r\nHello\r\n",
        CHUNKED + b"-5\r\nHello\r\n",
        CHUNKED + b"5\r\nHelloXY0\r\n\r\n",
        CHUNKED + b"1" * (HEAD_BYTES + 1),
        CHUNKED + b"0\r\nTrailer: " + b"x" * HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_BYTES,
    ],
)
def test_malformed_responses_are_refused(data: bytes):
    with pytest.raises(MessageError):
        read(data)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", CHUNKED + b"5\r\nHel", CHUNKED + b"5\r\nHello\r\n0\r\n"])
def test_an_early_end_of_the_connection_is_an_error(data: bytes):
    reader, _ = read(data)
    with pytest.raises(MessageError):
        reader.end()


def test_a_body_without_length_lasts_until_the_connection_closes():
    reader, body = read(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert not reader.complete
    reader.end()
    assert (b"all of it", True, False) == (body, reader.complete, reader.reusable)


def test_interim_responses_are_passed_over():
    reader, body = read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (200, b"ok") == (reader.status, body)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
)
def test_such_a_connection_is_not_used_again(data: bytes):
    reader, body = read(data)
    assert (b"ok", True, False) == (body, reader.complete, reader.reusable)


def test_trailers_are_passed_over():
    reader, body = read(CHUNKED + b"2\r\nok\r\n0\r\nX-Digest: 1\r\nY: 2\r\n\r\n", cuts=[52, 60, 70, 75])
    assert (b"ok", True, True) == (body, reader.complete, reader.reusable)


def test_a_status_without_body_is_complete_at_once():
    reader, _ = read(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert reader.complete
    assert reader.reusable
