"""Reading an HTTP/1.1 response without I/O: bytes in, head and body out. `thane.models.http` does the I/O.

The parser is httptools, which is Node's llhttp. Here is what it leaves to its caller: joining what one read brought
into one piece, the end of a body without a length, and limits.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_BYTES = 65_536
"""Longest response head, and longest stretch of chunk-sizes and trailers without any body between them."""

type Field = tuple[bytes, bytes]


class MessageError(Exception):
    """What the server sent is not an HTTP/1.1 response. Not for a connection that broke."""


class ResponseReader:
    """One response, without I/O: bytes in, head and body out (RFC 9112).

    `status` is 0 until the head is whole. `complete` says that the body is whole, `reusable` that the connection may
    then carry another request. The `on_…` methods are the parser's.
    """

    __slots__ = ("_parser", "_pieces", "_until_close", "_without_body", "complete", "fields", "reusable", "status")

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[Field] = []
        self.complete = False
        self.reusable = True
        self._pieces: list[bytes] = []
        self._without_body = 0  # bytes since the last of the body
        self._until_close = False
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_chunked_length=True)  # a length beside chunks does not count

    def receive(self, data: bytes) -> bytes:
        """Take what was read; returns the body bytes in it. Raises `MessageError`."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.complete:
                raise MessageError(f"the response is malformed: {error}") from error
            self.reusable = False  # what came after its end
        pieces = self._pieces
        if pieces:
            self._without_body = 0
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            return body
        self._without_body += len(data)
        if self._without_body > HEAD_BYTES and not self.complete:
            raise MessageError("the response has a head, a chunk-size or a trailer that is too long")
        return b""

    def end(self) -> None:
        """The server closed the connection. Raises `MessageError` when the response is not whole."""
        self.reusable = False
        self.complete = self.complete or self._until_close
        if not self.complete:
            raise MessageError("the connection was closed before the response was whole")

    def on_message_begin(self) -> None:
        if self.complete:
            raise MessageError("nobody asked for another response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # else it is a trailer
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise MessageError("the server switches to a protocol that was not asked for")
        if status < 200:  # an interim response (RFC 9110, 15.2): the real one follows
            self.fields.clear()
            return
        self.status = status
        self.reusable = self._parser.should_keep_alive()
        framing = {name.lower(): value.lower() for name, value in self.fields}
        encoding = framing.get(b"transfer-encoding")
        if encoding not in (None, b"chunked"):
            raise MessageError("the response has a transfer encoding other than chunked")
        has_length = b"content-length" in framing
        self.reusable = self.reusable and not (encoding and has_length)  # they may be two readings of one response
        self._until_close = not encoding and not has_length

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self.complete = bool(self.status)
