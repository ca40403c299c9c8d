"""The wire under the model providers: HTTP/1.1 over trio streams, made for answers that stream.

httpx2's own transport hands out one body chunk at a time through six generators, and a model server sends one chunk a
token. Measured on one core with CPython 3.13: 680 µs a request, 58 µs a paced token and 12 µs a free-running one, where
the whole program may use 2.2 ms and 18 µs. This transport hands out whatever one read brought, under the same client:
250, 35 and 2 µs, decoding included. A model server is asked for the same few things all the time, so that
`TrioTransport.ask` leaves out the client, too.

It is a plain transport (GET, POST, keep-alive, TLS), not a general one: no HTTP/2, no proxies, no request streaming.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol

import httpx2
import msgspec
import trio

from thane.models.response import MessageError, ResponseReader

READ_BYTES = 65_536

type Origin = tuple[str, str, int]


class Connect(Protocol):
    """Opens a byte stream to a host. `trio.open_tcp_stream` is the one for real use. Raises `OSError`."""

    def __call__(self, host: str, port: int, /) -> Awaitable[trio.abc.Stream]: ...


class TransportStatistics(msgspec.Struct, frozen=True):
    """Connections now: `busy` ones carry a request, `idle` ones wait for the next."""

    busy: int
    idle: int


class TrioTransport(httpx2.AsyncBaseTransport):
    """A pool of connections for `httpx2.AsyncClient(transport=…)`.

    At most `connections` requests at a time, the rest wait. An idle connection is used again for `keep_alive_seconds`.
    Cancelling a request, or closing a response before its end, closes its socket at once.
    Raises httpx2's `ConnectError`, `ConnectTimeout`, `ReadError` and `RemoteProtocolError`; of httpx2's time-outs only
    `connect` is kept, for the rest is the caller's to decide.
    """

    def __init__(
        self,
        *,
        connections: int,
        keep_alive_seconds: float,
        connect: Connect = trio.open_tcp_stream,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._slots = trio.Semaphore(connections)
        self._keep_alive = keep_alive_seconds
        self._connect = connect
        self._tls = tls
        self._idle: dict[Origin, list[tuple[trio.abc.Stream, float]]] = {}
        self._busy = 0

    def statistics(self) -> TransportStatistics:
        return TransportStatistics(self._busy, sum(map(len, self._idle.values())))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The way of a client of httpx2."""
        asked = Asked(request, request.extensions.get("timeout", {}).get("connect"))
        answered = await self.ask(asked, await request.aread())
        return httpx2.Response(answered.status_code, headers=answered.fields, stream=answered.body, request=request)

    async def ask(self, asked: Asked, content: bytes) -> Answered:
        """The way of who asks for the same again and again, without what httpx2 does for each request."""
        message = asked.head + b"%d\r\n\r\n" % len(content) + content if asked.has_body else asked.head
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await self._slots.acquire()
        self._busy += 1
        try:
            stream, reader, body = await self._exchange(asked, message)
        except BaseException:
            self.release()
            raise
        return Answered(reader.status, reader.fields, Body(self, asked.origin, stream, reader, body))

    async def _exchange(self, asked: Asked, message: bytes) -> tuple[trio.abc.Stream, ResponseReader, bytes]:
        """Send the request on a connection and read the response's head, and what of the body came with it."""
        while (idle := await self._take_idle(asked.origin)) is not None:
            try:
                return await self._converse(idle, asked, message)
            except _StaleError:  # the server closed it while the request was on its way: nothing was answered
                continue
        stream = await self._open(asked)
        try:
            return await self._converse(stream, asked, message)
        except _StaleError as stale:
            raise httpx2.RemoteProtocolError(
                "the server closed the connection unanswered", request=asked.request
            ) from stale

    async def _converse(
        self, stream: trio.abc.Stream, asked: Asked, message: bytes
    ) -> tuple[trio.abc.Stream, ResponseReader, bytes]:
        try:
            reader, body = await _ask(stream, asked.request, message)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream, reader, body

    async def _take_idle(self, origin: Origin) -> trio.abc.Stream | None:
        """The youngest idle connection that still lives. One that the server closed, or that has spoken, is dropped."""
        idle = self._idle.get(origin, [])
        while idle:
            stream, since = idle.pop()
            if trio.current_time() - since < self._keep_alive and not _has_input(stream):
                return stream
            await trio.aclose_forcefully(stream)
        return None

    async def _open(self, asked: Asked) -> trio.abc.Stream:
        (scheme, host, port), request = asked.origin, asked.request
        try:
            with trio.fail_after(float("inf") if asked.connect_seconds is None else asked.connect_seconds):
                stream = await self._connect(host, port)
                return stream if scheme == "http" else await self._secure(stream, host)
        except trio.TooSlowError as error:
            raise httpx2.ConnectTimeout("the server did not accept the connection in time", request=request) from error
        except (OSError, trio.BrokenResourceError) as error:
            cause = error.__cause__ or error if isinstance(error, trio.BrokenResourceError) else error  # of a handshake
            raise httpx2.ConnectError(str(cause), request=request) from cause

    async def _secure(self, stream: trio.abc.Stream, host: str) -> trio.abc.Stream:
        context = self._tls or httpx2.create_ssl_context()
        secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured

    def release(self) -> None:
        """A request is over; its place is free."""
        self._busy -= 1
        self._slots.release()

    def keep(self, origin: Origin, stream: trio.abc.Stream) -> None:
        """Take back a connection whose response was read to its end."""
        self._idle.setdefault(origin, []).append((stream, trio.current_time()))

    async def aclose(self) -> None:
        streams = [stream for idle in self._idle.values() for stream, _ in idle]
        self._idle.clear()
        for stream in streams:
            await trio.aclose_forcefully(stream)


class Asked:
    """A request but for its body, encoded once. What httpx2 has made `request` of is sent as it is."""

    __slots__ = ("connect_seconds", "has_body", "head", "origin", "request")

    def __init__(self, request: httpx2.Request, connect_seconds: float | None) -> None:
        url = request.url
        self.origin: Origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        self.request = request
        self.connect_seconds = connect_seconds
        fields = [field for field in request.headers.raw if field[0].lower() != b"content-length"]
        self.has_body = len(fields) < len(request.headers.raw)
        parts = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), url.raw_path)]
        parts += [b"%b: %b" % field for field in fields]
        self.head = b"\r\n".join((*parts, b"Content-Length: " if self.has_body else b"\r\n"))


class Answered:
    """The head of a response, and its body on its way. Close it, and the body is closed."""

    __slots__ = ("body", "fields", "status_code")

    def __init__(self, status_code: int, fields: list[tuple[bytes, bytes]], body: Body) -> None:
        self.status_code = status_code
        self.fields = fields
        self.body = body

    @property
    def headers(self) -> httpx2.Headers:
        return httpx2.Headers(self.fields)

    async def aclose(self) -> None:
        await self.body.aclose()


class Body(httpx2.AsyncByteStream):
    """The body of a response: each item is what one read brought. It owns the connection until it is closed."""

    def __init__(
        self, transport: TrioTransport, origin: Origin, stream: trio.abc.Stream, reader: ResponseReader, first: bytes
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._stream = stream
        self._reader = reader
        self._first = first
        self._closed = False

    @property
    def complete(self) -> bool:
        """Whether all of it was read, so that the next one to ask need not wait."""
        return not self._first and self._reader.complete

    def __aiter__(self) -> Body:  # type: ignore[override]  # httpx2 only iterates; a generator would need closing
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            data, self._first = self._first, b""
            return data
        reader = self._reader
        while not reader.complete:
            try:
                data = bytes(await self._stream.receive_some(READ_BYTES))
                if data:
                    data = reader.receive(data)
                else:
                    reader.end()
            except (trio.BrokenResourceError, MessageError) as error:
                raise _told(error, None) from error
            if data:
                return data
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._transport.release()
        if self._reader.complete and self._reader.reusable:
            self._transport.keep(self._origin, self._stream)
        else:
            await trio.aclose_forcefully(self._stream)


class _StaleError(Exception):
    """The connection ended before a byte of the response came."""


async def _ask(stream: trio.abc.Stream, request: httpx2.Request, message: bytes) -> tuple[ResponseReader, bytes]:
    """Send a request, read until the head of its response is whole; returns what of the body came with it."""
    reader, body = ResponseReader(), b""
    silent = True
    try:
        with suppress(trio.BrokenResourceError):  # it may have answered before it hung up: read that
            await _send(stream, message)
        while not reader.status:
            data = bytes(await stream.receive_some(READ_BYTES))
            if not data:
                raise trio.BrokenResourceError("closed by the server")  # noqa: TRY301  the same as a reset, and told as one
            silent = False
            body = reader.receive(data)
    except (trio.BrokenResourceError, MessageError) as error:
        if silent:
            raise _StaleError from error
        raise _told(error, request) from error
    return reader, body


async def _send(stream: trio.abc.Stream, message: bytes) -> None:
    """Without a turn of the event loop where the socket takes all of it, as nearly always: what follows is a wait."""
    sent = 0
    if isinstance(stream, trio.SocketStream):
        try:
            sent = os.write(stream.socket.fileno(), message)
        except BlockingIOError:
            pass
        except OSError as error:
            raise trio.BrokenResourceError("the server hung up") from error
    if sent < len(message):
        await stream.send_all(memoryview(message)[sent:])


def _told(error: Exception, request: httpx2.Request | None) -> httpx2.TransportError:
    if isinstance(error, MessageError):
        return httpx2.RemoteProtocolError(str(error), request=request)
    return httpx2.ReadError("the connection broke", request=request)


def _has_input(stream: trio.abc.Stream) -> bool:
    """Whether an idle connection has something to read: its end, or what nobody asked for."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return isinstance(stream, trio.SocketStream) and stream.socket.is_readable()
