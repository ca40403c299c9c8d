"""Request bodies: pulled from the client only when asked for, counted as they arrive, unpacked and decoded with bounds.

`Content-Type` is never looked at: Ollama does not, and its clients send whatever they like.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, override

import msgspec
from quart.wrappers.base import ClientDisconnectedError
from quart.wrappers.request import Body

from thane.config.settings import Limits
from thane.errors import ClientError
from thane.http.compression import coding_of, decompress
from thane.http.site import Receive

_DROP = bytes(set(range(256)) - set(b'{}[]"'))
_PARENTHESES = bytes.maketrans(b"{}[]", b"()()")
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_SURROGATE = re.compile(rb"\\\\|\\u(d[89ab][0-9a-f]{2})(\\u(d[c-f][0-9a-f]{2}))?|\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


class RequestBody(Body):
    """Quart's request body, read from the connection as the handler asks, so that the client is slowed down by it."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._maximum = max_content_length
        self._expected = expected_content_length
        self._receive: Receive | None = None
        self._encoding = ""
        self._whole: bytes | None = None
        self.seen = 0  # bytes so far
        self._complete_ = False

    def attach(self, receive: Receive, encoding: str = "") -> None:
        """Where the body comes from, and its `Content-Encoding`."""
        self._receive = receive
        self._encoding = encoding

    @override
    async def __anext__(self) -> bytes:
        if self._encoding and not self._complete_:
            return await self._read()
        while not self._complete_:
            if piece := await self._pull():
                return piece
        raise StopAsyncIteration

    @override
    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read().__await__()

    @override
    def clear(self) -> None:
        self._whole = b""

    @override
    def set_result(self, data: bytes) -> None:
        self._whole = data  # for Quart's test contexts, which have no connection

    async def _read(self) -> bytes:
        if self._whole is None:
            coding = coding_of(self._encoding)
            pieces: list[bytes] = []
            while not self._complete_:
                pieces.append(await self._pull())
            whole = b"".join(pieces)
            self._whole = await decompress(whole, coding, self._maximum) if coding else whole
        return self._whole

    async def _pull(self) -> bytes:
        if self._receive is None:
            raise RuntimeError("this body is attached to no connection")
        self._check(self._expected or 0)
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientDisconnectedError
        piece: bytes = message.get("body", b"")
        self.seen += len(piece)
        self._check(self.seen)
        self._complete_ = not message.get("more_body", False)
        return piece

    def _check(self, size: int) -> None:
        if self._maximum is not None and size > self._maximum:
            raise ClientError(
                f"the request body is larger than {self._maximum} bytes (limits.body_bytes)",
                status=413,
                code="body_too_large",
            )


def read_json[T](raw: bytes, type: type[T] | Any = Any, *, limits: Limits, tolerant: bool = False) -> T:  # noqa: A002 as msgspec names it
    """Decode a JSON body into `type`; ClientError (400) says what is wrong and where.

    Tolerant, as Go's decoder and so Ollama is: bytes after the first value are ignored, and what is no proper Unicode
    (bytes that are not UTF-8, half surrogate pairs) becomes U+FFFD.
    """
    if not raw.strip():
        raise ClientError("missing request body", code="missing_body")
    if nests_deeper(raw, limits.json_depth):
        raise _too_deep(limits)
    try:
        try:
            return msgspec.json.decode(raw, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not tolerant or isinstance(error, msgspec.ValidationError):
                raise
            return msgspec.json.decode(_mend(raw, error), type=type)
    except RecursionError:
        raise _too_deep(limits) from None
    except UnicodeDecodeError:
        raise ClientError("the request body is not UTF-8", code="invalid_json") from None
    except msgspec.ValidationError as error:
        raise ClientError(f"invalid request: {error}", code="invalid_request") from None
    except msgspec.DecodeError as error:
        raise ClientError(f"the request body is not valid JSON: {error}", code="invalid_json") from None


def nests_deeper(raw: bytes, limit: int) -> bool:
    """Whether objects and arrays nest deeper than `limit`. For malformed JSON, which the decoder refuses, it may err.

    A few passes in C over the whole body: strings are cut out, then each pass removes the innermost brackets. A pair of
    quotes with nothing between them changes nothing about what lies inside strings, so all such pairs go first.
    """
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    if b'\\"' in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    skeleton = raw.translate(_PARENTHESES, _DROP).replace(b'""', b"")
    if b'"' in skeleton:
        skeleton = b"".join(skeleton.split(b'"')[::2])
    for _ in range(limit):
        shorter = skeleton.replace(b"()", b"")
        if shorter == skeleton:
            break  # empty, or not balanced
        skeleton = shorter
    return skeleton.count(b"(") > limit or b"()" in skeleton


def _too_deep(limits: Limits) -> ClientError:
    return ClientError(
        f"the request body nests deeper than {limits.json_depth} levels (limits.json_depth)", code="json_too_deep"
    )


def _mend(raw: bytes, error: Exception) -> bytes:
    """What a tolerant decoder would have read, as far as that can be told."""
    raw = _SURROGATE.sub(_whole_pairs_only, raw.decode("utf-8", "replace").encode())
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except msgspec.DecodeError as second:
        error = second
    if found := _TRAILING.search(str(error)):
        raw = raw[: int(found[1]) - 1]  # msgspec counts the first byte that follows
    return raw


def _whole_pairs_only(found: re.Match[bytes]) -> bytes:
    if found[0] == b"\\\\" or found[3]:
        return found[0]
    return b"\\ufffd"
