"""Reading an HTTP/1.1 response without I/O: bytes in, head and body out. `thane.models.http` does the I/O.

Everything that one read brought comes out as one piece, however many chunks it was sent in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HEAD_BYTES = 65_536  # longest response head, and longest chunk-size or trailer line

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\x00\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LENGTH = re.compile(rb"[0-9]{1,18}")

type Field = tuple[bytes, bytes]


class MessageError(Exception):
    """What the server sent is not an HTTP/1.1 response. Not for a connection that broke."""


class ResponseReader:
    """One response, without I/O: bytes in, head and body out (RFC 9112).

    `status` is 0 until the head is whole. `complete` says that the body is whole, `reusable` that the connection may
    then carry another request.
    """

    __slots__ = ("_buffer", "_left", "_mode", "complete", "fields", "reusable", "status")

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[Field] = []
        self.complete = False
        self.reusable = True
        self._mode: Callable[[bytes], bytes] = self._read_head
        self._buffer = b""
        self._left = 0  # body bytes still to come: of the whole body, or of this chunk

    def receive(self, data: bytes) -> bytes:
        """Take what was read; returns the body bytes in it. Raises `MessageError`."""
        if self.complete:
            self.reusable = False  # nobody asked for this
            return b""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        return self._mode(data)

    def end(self) -> None:
        """The server closed the connection. Raises `MessageError` when the response is not whole."""
        self.reusable = False
        if self._mode == self._read_rest:
            self.complete = True
        if not self.complete:
            raise MessageError("the connection was closed before the response was whole")

    def _read_head(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > HEAD_BYTES:
                raise MessageError("the response head is too long")
            self._buffer = data
            return b""
        lines = data[:end].split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        if status is None:
            raise MessageError("the response has no HTTP/1.1 status line")
        fields: list[Field] = []
        for line in lines[1:]:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise MessageError("the response has a malformed header line")
            fields.append((field[1], field[2]))
        code = int(status[2])
        if code == 101:
            raise MessageError("the server switches to a protocol that was not asked for")
        if code < 200:  # an interim response (RFC 9110, 15.2): the real one follows
            return self._read_head(data[end + 4 :])
        self.status, self.fields = code, fields
        self._frame(code, status[1] == b"1")
        return b"" if self.complete else self.receive(data[end + 4 :])

    def _frame(self, code: int, persistent: bool) -> None:
        """Find out how the body ends (RFC 9112, 6.3)."""
        lengths: set[bytes] = set()
        encodings: list[bytes] = []
        options = b""
        for name, value in self.fields:
            name = name.lower()
            if name == b"content-length":
                lengths.update(part.strip() for part in value.split(b","))
            elif name == b"transfer-encoding":
                encodings.append(value.lower())
            elif name == b"connection":
                options += b"," + value.lower()
        self.reusable = persistent and b"close" not in options
        if code in (204, 304):
            self.complete = True
        elif encodings:
            if encodings != [b"chunked"]:
                raise MessageError("the response has a transfer encoding other than chunked")
            self.reusable = self.reusable and not lengths
            self._mode = self._read_chunks
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.fullmatch(length):
                raise MessageError("the response has a bad Content-Length")
            self._left = int(length)
            self.complete = self._left == 0
            self._mode = self._read_length
        else:
            self.reusable = False
            self._mode = self._read_rest

    def _read_length(self, data: bytes) -> bytes:
        if len(data) > self._left:
            self.reusable = False
            data = data[: self._left]
        self._left -= len(data)
        self.complete = self._left == 0
        return data

    def _read_rest(self, data: bytes) -> bytes:
        return data

    def _read_chunks(self, data: bytes) -> bytes:
        """Join the chunks in `data`; what is left of a line waits in the buffer. `_left` counts a chunk's CRLF too."""
        parts: list[bytes] = []
        at = 0
        size = len(data)
        while True:
            if self._left:
                end = at + self._left
                if end > size:
                    at = self._take_part(data, at, parts)
                    break
                if data[end - 2 : end] != b"\r\n":
                    raise MessageError("a chunk of the response does not end where it should")
                parts.append(data[at : end - 2])
                at, self._left = end, 0
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            line = data[at:end]
            if not _CHUNK_SIZE.fullmatch(line):
                line = line.partition(b";")[0].rstrip(b" \t")
                if not _CHUNK_SIZE.fullmatch(line):
                    raise MessageError("the response has a malformed chunk")
            at = end + 2
            self._left = int(line, 16) + 2
            if self._left == 2:
                self._left = 0
                self._mode = self._read_trailers
                self._mode(data[at:])
                return b"".join(parts)
        self._buffer = data[at:]
        if len(self._buffer) > HEAD_BYTES:
            raise MessageError("the response has a malformed chunk")
        return b"".join(parts)

    def _take_part(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """Take what is there of a chunk whose end has not come, and leave its CRLF whole. Returns the new place."""
        end = min(len(data), at + self._left - 2)
        if end > at:
            parts.append(data[at:end])
            self._left -= end - at
        return end

    def _read_trailers(self, data: bytes) -> bytes:
        while (end := data.find(b"\r\n")) > 0:
            data = data[end + 2 :]
        if end == 0:
            self.complete = True
            self.reusable = self.reusable and len(data) == 2
        elif len(data) > HEAD_BYTES:
            raise MessageError("the response has a malformed trailer")
        else:
            self._buffer = data
        return b""
