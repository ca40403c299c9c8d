"""For tests: an application served on a free loopback port, and a client that sends and reads raw bytes.

Works under an autojump clock: bytes on the loopback interface are there at once.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self

import h11
import msgspec
import trio

from thane.config.settings import Limits
from thane.http.listeners import bind
from thane.http.server import Server, serve
from thane.http.site import ASGIApp, RequestRecord, Statistics

DEFAULT_LIMITS = Limits()


class Served:
    """A running server: where it is, how to stop it, and what it says of itself."""

    def __init__(self, server: Server, drain: trio.Event, records: list[RequestRecord]) -> None:
        self.port = server.addresses[0][1]
        self.drain = drain
        self.records = records
        self.stopped = trio.Event()
        self._server = server

    def statistics(self) -> Statistics:
        return self._server.statistics()

    async def wait_empty(self, seconds: float = 5) -> None:
        """Wait until every connection has ended."""
        with trio.fail_after(seconds):
            while self.statistics().open:  # noqa: ASYNC110 the server has no event for this
                await trio.sleep(0.001)

    async def connect(self, receive_buffer: int | None = None) -> RawClient:
        """A new connection; `receive_buffer` bytes is what the kernel takes for a client that does not read."""
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        return RawClient(trio.SocketStream(sock))

    async def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> Answer:
        """One request on a connection of its own."""
        async with await self.connect() as client:
            return await client.ask(method, path, body, *headers)


@asynccontextmanager
async def serving(
    app: ASGIApp, *, limits: Limits = DEFAULT_LIMITS, grace_seconds: float = 1.0
) -> AsyncGenerator[Served]:
    """Serve `app` around the block, and drain at its end."""
    (sock,) = bind("", 0)
    drain = trio.Event()
    records: list[RequestRecord] = []
    with sock:
        async with trio.open_nursery() as nursery:
            started: list[Served] = []

            async def run(*, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(
                    app,
                    [sock],
                    limits=limits,
                    drain=drain,
                    grace_seconds=grace_seconds,
                    on_request=records.append,
                    task_status=task_status,
                )
                started[0].stopped.set()

            started.append(Served(await nursery.start(run), drain, records))
            try:
                yield started[0]
            finally:
                drain.set()


class Answer(msgspec.Struct, frozen=True):
    """A whole answer; header names are in lower case, of one that comes twice the last counts."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of a request to a server that is called localhost."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin1") + body


class RawClient:
    """One connection of a client that may behave in any way."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._left = b""  # came with the last answer, belongs to the next

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection at once, as an ended program's is."""
        self.stream.socket.close()

    def reset(self) -> None:
        """Close it with a reset (RST)."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> Answer:
        """Send a request and read its whole answer."""
        await self.send(request(method, path, body, *headers))
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer. `method` is that of its request: the answer to HEAD has no body."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "localhost")]))
        parser.send(h11.EndOfMessage())
        status, headers, body = 0, dict[str, str](), b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await self._receive())
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode("latin1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._left = parser.trailing_data[0]
                return Answer(status, headers, body)

    async def read_until(self, end: bytes) -> bytes:
        """Read up to and with `end`, or to the end of the connection."""
        data = b""
        while end not in data:
            piece = await self._receive()
            if not piece:
                break
            data += piece
        return data

    async def read_all(self, seconds: float = math.inf) -> bytes:
        """Read to the end of the connection, or what comes within `seconds`."""
        data = b""
        with trio.move_on_after(seconds):
            while piece := await self._receive():
                data += piece
        return data

    async def _receive(self) -> bytes:
        if self._left:
            data, self._left = self._left, b""
            return data
        return bytes(await self.stream.receive_some(65_536))
