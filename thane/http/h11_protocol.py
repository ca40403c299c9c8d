"""HTTP/1.1 framing of one connection, in the place of Hypercorn's `H11Protocol`: no HTTP/2, and an end for everything.

Requests come one after the other, also pipelined. An answer's head is held until its first piece of body, so that both
leave in one write; a chunk's frame is put around its piece without a pass through h11.

RFC 9112 (HTTP/1.1), RFC 6455 (WebSocket). HTTP/2 is not reachable: `Upgrade: h2c` is ignored, as RFC 9110, 7.8 allows,
and HTTP/2 with prior knowledge is refused.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import h11
import trio
from hypercorn.protocol.events import Body, Data, EndBody, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11WSConnection
from hypercorn.typing import ConnectionState

from thane.http.site import RequestRecord, Site
from thane.http.streams import HttpStream, WebSocketStream

if TYPE_CHECKING:
    from thane.http.connection import Connection

type Headers = list[tuple[bytes, bytes]]

_BODILESS = {204, 304}
_REASON_CHARS = 200
_REQUEST_ID = b"x-request-id"
_BODY_HEADERS = {b"content-length", b"transfer-encoding"}
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class BadRequestError(Exception):
    """A request line or head that HTTP allows and this server does not serve."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Http1:
    """Turns bytes into streams and back. Everything that touches the socket is asked of `connection`."""

    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None

    def __init__(self, site: Site, connection: Connection) -> None:
        self.site = site
        self.connection = connection
        self.stream: HttpStream | WebSocketStream | None = None
        self.streaming = False  # an answer of unknown length has begun
        self._nursery: trio.Nursery
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=site.limits.header_bytes)
        self._frames: H11WSConnection | None = None
        self._held = b""
        self._chunked = False
        self._method = b""

    def start(self, nursery: trio.Nursery, client: tuple[str, int] | None, server: tuple[str, int] | None) -> None:
        """Where handlers are to run, and the addresses of both sides."""
        self._nursery = nursery
        self.client = client
        self.server = server

    @property
    def has_partial_head(self) -> bool:
        return self.stream is None and bool(self._h11.trailing_data[0])

    @property
    def expects_body(self) -> bool:
        return self._frames is None and self._h11.their_state is h11.SEND_BODY

    @property
    def more_may_come(self) -> bool:
        """Whether the client may still be sending what belongs to its request or WebSocket."""
        return self._frames is not None or self._h11.their_state in {h11.SEND_BODY, h11.ERROR}

    def append(self, data: bytes) -> None:
        """Keep bytes for later; `b""` says that the client sends no more."""
        (self._frames or self._h11).receive_data(data)

    async def feed(self, data: bytes) -> None:
        """Take what the client sent and do all that follows from it."""
        self.append(data)
        try:
            while not self.connection.over and await self._step():
                pass
        except h11.RemoteProtocolError as error:
            await self.refuse(error.error_status_hint, str(error))
        except BadRequestError as error:
            await self.refuse(error.status, str(error))

    async def _step(self) -> bool:
        """Handle one event; False when there is nothing to do before more bytes come."""
        if isinstance(self.stream, WebSocketStream) and self.stream.waits_for_accept:
            if not self._frames or not self._frames.buffer:
                return False
            await self.connection.wait_for_turn()
            return True
        event = (self._frames or self._h11).next_event()
        if isinstance(event, h11.Request):
            await self._begin(event)
        elif event is h11.PAUSED:
            await self.connection.wait_for_turn()
        elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed) or self.stream is None:
            return False
        elif isinstance(event, h11.Data):
            if self.stream.task.full:
                self.connection.patience(None)
            await self.stream.handle(Body(stream_id=STREAM_ID, data=bytes(event.data)))
        elif isinstance(event, h11.EndOfMessage):
            await self.stream.handle(EndBody(stream_id=STREAM_ID))
        elif isinstance(event, Data):
            await self.stream.handle(event)
        return True

    async def _begin(self, request: h11.Request) -> None:
        self.connection.busy()
        self.streaming = False
        self._method = request.method
        if request.http_version not in {b"1.0", b"1.1"}:
            raise BadRequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken")
        if not request.method.isupper():  # `head` is not HEAD to h11, but is to Quart
            raise BadRequestError(HTTPStatus.NOT_IMPLEMENTED, "the method is not in capitals")
        headers: Headers = list(request.headers)
        if _size(request.target, headers) > self.site.limits.header_bytes:  # h11 looks at heads that come in parts only
            raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "longer than limits.header_bytes")
        target = _normalise(request.target, headers)
        request_id = self.site.ids.run()
        if _wants_websocket(request):
            if any(name in _BODY_HEADERS for name, _ in headers):
                raise BadRequestError(HTTPStatus.BAD_REQUEST, "a WebSocket is asked for with a body")
            self.stream = WebSocketStream(self, self._nursery, request_id)
            self._frames = H11WSConnection(self._h11)
        else:
            self.stream = HttpStream(self, self._nursery, request_id)
        try:
            await self.stream.handle(
                Request(
                    stream_id=STREAM_ID,
                    headers=headers,
                    http_version=request.http_version.decode(),
                    method=request.method.decode("ascii"),
                    raw_path=target,
                    state=ConnectionState({"request_id": request_id}),
                )
            )
        except UnicodeDecodeError:
            self.stream = self._frames = None
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the path is not UTF-8") from None

    async def refuse(self, status: int, reason: str) -> None:
        """Answer what is no proper request, if that is still possible, and end the connection. It is recorded with an
        id, as every request is; `reason` is for the record alone."""
        stream, self.stream = self.stream, None
        if stream is not None:
            request_id = stream.request_id
            stream.task.cancel_scope.cancel()
            stream.status = status
            stream.end(reason)
        else:
            request_id = self.site.ids.run()
            self.site.on_request(
                RequestRecord(self._method.decode("latin1"), "", status, 0, 0.0, request_id, reason[:_REASON_CHARS])
            )
        if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._held = b""
            text = f"{status} {HTTPStatus(status).phrase.lower()} (request {request_id})\n".encode()
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(text)).encode()),
                (_REQUEST_ID, request_id.encode()),
            ]
            head = self._send(
                h11.Response(
                    status_code=status,
                    headers=[*headers, (b"connection", b"close"), *self.site.standard_headers()],
                    reason=_REASONS[status],
                )
            )
            body = b"" if self._method == b"HEAD" else self._send(h11.Data(data=text))
            await self.connection.send(head + body + self._send(h11.EndOfMessage()))
            self.connection.finish()
        else:
            self.connection.hang_up()

    # What the streams send

    async def stream_send(self, event: StreamEvent) -> None:
        """The side that Hypercorn's streams see."""
        if isinstance(event, Response):
            await self._send_head(event)
        elif isinstance(event, Body):
            await self.send_piece(event.data, last=False)
        elif isinstance(event, EndBody):
            await self.send_piece(b"", last=True)
        elif isinstance(event, Data):
            await self.connection.send(event.data)
        elif isinstance(event, StreamClosed):
            self._end_stream()

    async def send_continue(self) -> None:
        """Ask for the body if the client waits to be asked (RFC 9110, 10.1.1)."""
        if self._h11.they_are_waiting_for_100_continue and self._h11.our_state is h11.SEND_RESPONSE:
            await self.connection.send(
                self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            )

    async def send_piece(self, data: bytes, *, last: bool) -> None:
        """Send a piece of the body, with the head if that is still held, in one write. Empty and not last: flush."""
        out, self._held = self._held, b""
        if data:
            out += b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else self._send(h11.Data(data=data))
        if last:
            out += self._send(h11.EndOfMessage())
        if out:
            await self.connection.send(out)

    async def _send_head(self, event: Response) -> None:
        status = event.status_code
        if status < HTTPStatus.OK:
            self._held = b""
            await self.connection.send(
                self._send(
                    h11.InformationalResponse(
                        status_code=status, headers=list(event.headers), reason=_REASONS.get(status, b"")
                    )
                )
            )
            return
        headers = [*event.headers, *self.site.standard_headers()]
        names = {name.lower() for name, _ in event.headers}
        has_length = b"content-length" in names
        if _REQUEST_ID not in names and self.stream is not None:  # Hypercorn's own words, where a handler had none
            headers.append((_REQUEST_ID, self.stream.request_id.encode()))
        if self.site.draining or self.expects_body:  # what is left of a request's body ends the connection: say so
            headers.append((b"connection", b"close"))
        bodiless = status in _BODILESS or self._method == b"HEAD"
        self._chunked = not has_length and not bodiless and self._h11.their_http_version == b"1.1"
        self.streaming = not has_length and not bodiless
        self._held = self._send(h11.Response(status_code=status, headers=headers, reason=_REASONS.get(status, b"")))
        if self.streaming and self.connection.half_closed:
            self.connection.hang_up()

    def _send(self, event: Any) -> bytes:
        try:
            return self._h11.send(event) or b""
        except h11.LocalProtocolError:
            if self._h11.their_state is h11.ERROR:
                return b""  # the client broke the protocol in the middle; the connection ends anyway
            raise

    def _end_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.end()
        if (
            self._frames is None
            and not self.site.draining
            and self._h11.our_state is h11.DONE
            and self._h11.their_state is h11.DONE
        ):
            self._h11.start_next_cycle()
            self._method = b""
            self.connection.rest()
        else:
            self.connection.finish()


def _size(target: bytes, headers: Headers) -> int:
    """The bytes of a request head, about: each line has four more than its name and value."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)


def _wants_websocket(request: h11.Request) -> bool:
    upgrade = connection = b""
    for name, value in request.headers:
        if name == b"upgrade":
            upgrade = value
        elif name == b"connection":
            connection = value
    return (
        upgrade.lower() == b"websocket"
        and request.method == b"GET"
        and b"upgrade" in (token.strip() for token in connection.lower().split(b","))
    )


def _normalise(target: bytes, headers: Headers) -> bytes:
    """The path and query of a request target in origin form. In absolute form its authority replaces `Host`.

    RFC 9112, 3.2. `*` and the authority form of CONNECT are not served.
    """
    if target.startswith(b"/"):
        return target
    if not target.lower().startswith((b"http://", b"https://", b"ws://", b"wss://")):
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "the request target is no path")
    try:
        parts = urlsplit(target)
    except ValueError:
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "the request target is no URL") from None
    if not parts.netloc or b"@" in parts.netloc:
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "the request target names no host, or a user")
    headers[:] = [(b"host", parts.netloc), *((name, value) for name, value in headers if name != b"host")]
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
