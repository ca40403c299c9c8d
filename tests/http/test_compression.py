"""Compressed request bodies, by themselves and through both listeners."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from contextlib import suppress

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.http.scripted import ollama_chat, site
from thane.config.settings import Limits, Settings
from thane.errors import ClientError
from thane.http.compression import coding_of, decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "zstd": zstd.compress,
}
"""By `Content-Encoding`; with the space, deflate as some clients have it."""

LARGE = random.Random(1).randbytes(300_000) + bytes(1_000_000)


async def unpack(data: bytes, header: str, limit: int | None = None) -> bytes:
    return await decompress(data, coding_of(header), limit)


async def refused(data: bytes, header: str, limit: int | None = None) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        await unpack(data, header, limit)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("header", PACKERS)
@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["nothing", "a byte", "a lot"])
async def test_what_was_packed_is_unpacked(header: str, data: bytes) -> None:
    assert data == await unpack(PACKERS[header](data), header, len(data))


@pytest.mark.parametrize("header", PACKERS)
async def test_a_bomb_is_stopped_on_the_way(header: str) -> None:
    bomb = PACKERS[header](bytes(100_000_000))
    assert len(bomb) < 200_000
    started = trio.current_time()
    assert (413, "body_too_large") == await refused(bomb, header, 1_000_000)
    assert trio.current_time() - started < 1


@pytest.mark.parametrize("header", PACKERS)
@pytest.mark.parametrize("spoil", ["cut", "followed", "other", "empty"])
async def test_what_is_damaged_is_refused(header: str, spoil: str) -> None:
    packed = PACKERS[header](LARGE)
    data = {"cut": packed[:-9], "followed": packed + packed, "other": b'{"model":"thane"}', "empty": b""}[spoil]
    assert (400, "invalid_body") == await refused(data, header)


@given(st.binary(max_size=200), st.sampled_from(list(PACKERS)))
def test_nothing_but_a_client_error_is_raised(data: bytes, header: str) -> None:
    async def attempt() -> None:
        with suppress(ClientError):
            await unpack(data, header, 1000)

    trio.run(attempt)


async def test_a_window_beyond_what_http_allows_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 26}
    packer = zstd.ZstdCompressor(options=options)
    assert (400, "invalid_body") == await refused(packer.compress(LARGE) + packer.flush(), "zstd")


@pytest.mark.parametrize(("header", "coding"), [("", ""), ("identity", ""), ("GZIP", "gzip"), (" zstd ", "zstd")])
def test_codings_go_by_their_names(header: str, coding: str) -> None:
    assert coding == coding_of(header)


@pytest.mark.parametrize("header", ["br", "gzip, zstd", "compress"])
def test_other_codings_are_415(header: str) -> None:
    with pytest.raises(ClientError, match="gzip, deflate and zstd are") as caught:
        coding_of(header)
    assert 415 == caught.value.status


@pytest.mark.parametrize("header", PACKERS)
async def test_both_listeners_read_packed_requests(header: str, autojump_clock: MockClock) -> None:
    body = PACKERS[header](msgspec.json.encode(ollama_chat(stream=False)))
    async with site() as place:
        answers = [
            await place.ollama.ask("POST", "/api/chat", body, f"Content-Encoding: {header}"),
            await place.native.ask("POST", "/v1/chat/completions", body, f"Content-Encoding: {header}"),
        ]
        assert ["hi", "hi"] == [turn.messages[-1].content for turn in place.conversations.turns]
    assert [200, 200] == [answer.status for answer in answers]


async def test_a_bomb_is_413_and_an_unknown_coding_415_in_the_protocols_own_form(autojump_clock: MockClock) -> None:
    bomb = gzip.compress(b" " * 1_000_000)
    async with site(settings=Settings(limits=Limits(body_bytes=10_000))) as place:
        ollama = await place.ollama.ask("POST", "/api/chat", bomb, "Content-Encoding: gzip")
        native = await place.native.ask("POST", "/v1/chat/completions", bomb, "Content-Encoding: gzip")
        unknown = await place.ollama.ask("POST", "/api/generate", b"{}", "Content-Encoding: br")
        assert [] == place.conversations.turns
    assert (413, 413, 415) == (ollama.status, native.status, unknown.status)
    assert "limits.body_bytes" in msgspec.json.decode(ollama.body)["error"]
    assert "body_too_large" == msgspec.json.decode(native.body)["error"]["code"]
    assert "'br' is not understood" in msgspec.json.decode(unknown.body)["error"]
