"""Compressed request bodies: undone in steps, so that a small body which becomes a huge one is stopped on the way.

gzip (RFC 1952), deflate (RFC 1950, and RFC 1951 alone, as some clients have it), zstd (RFC 8878, with the window that
RFC 9659 sets for HTTP). Not here: reading the body (`thane.http.body`).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping

import trio

from thane.errors import ClientError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP_BYTES = 262_144  # that come out at once; then other tasks have their turn
_ZSTD_WINDOW_LOG = 23  # 8 MiB


class _BrokenError(Exception):
    """The bytes are not what their coding says, or not all of it."""


def coding_of(header: str) -> str:
    """The coding that a `Content-Encoding` names, "" for none. Raises ClientError (415) for one that is not known."""
    coding = header.strip().lower()
    if coding in ("", "identity"):
        return ""
    if coding not in _CODINGS:
        raise ClientError(
            f"Content-Encoding {coding[:80]!r} is not understood; gzip, deflate and zstd are",
            status=415,
            code="unsupported_encoding",
        )
    return coding


async def decompress(data: bytes, coding: str, limit: int | None) -> bytes:
    """What `data` was before. Raises ClientError: 413 beyond `limit` bytes, 400 when it is damaged."""
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _CODINGS[coding](data):
            size += len(piece)
            if limit is not None and size > limit:
                raise ClientError(
                    f"the request body is larger than {limit} bytes once it is unpacked (limits.body_bytes)",
                    status=413,
                    code="body_too_large",
                )
            pieces.append(piece)
            await trio.lowlevel.checkpoint()
    except (_BrokenError, zlib.error, zstd.ZstdError):
        raise ClientError(
            f"the request body is not {coding}, as its Content-Encoding says", code="invalid_body"
        ) from None
    return b"".join(pieces)


def _gzip(data: bytes) -> Iterator[bytes]:
    return _inflate(data, 16 + zlib.MAX_WBITS)


def _deflate(data: bytes) -> Iterator[bytes]:
    has_head = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0  # RFC 1950, 2.2
    return _inflate(data, zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)


def _inflate(data: bytes, window_bits: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(window_bits)
    while not stream.eof:
        piece = stream.decompress(data, _STEP_BYTES)
        data = stream.unconsumed_tail
        if not piece and not data and not stream.eof:
            raise _BrokenError
        yield piece
    if stream.unused_data:
        raise _BrokenError


def _zstd(data: bytes) -> Iterator[bytes]:
    stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
    while not stream.eof:
        piece = stream.decompress(data, max_length=_STEP_BYTES)
        data = b""  # the stream keeps what it has not used yet
        if not stream.eof and stream.needs_input:
            raise _BrokenError
        yield piece
    if stream.unused_data:
        raise _BrokenError


_CODINGS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
