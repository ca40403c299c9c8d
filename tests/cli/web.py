"""A web server that gives prepared answers, for the commands that speak HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import h11
import msgspec
import trio


@dataclass
class Web:
    """`answers` by path: status, content type, and the pieces of the body. `requests` are path, headers and body."""

    answers: Mapping[str, tuple[int, str, list[bytes]]]
    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        async with stream:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            if head is None:
                return
            path = head.target.decode()
            self.requests.append((path, {key.decode(): value.decode() for key, value in head.headers}, body))
            status, content_type, pieces = self.answers.get(path, (404, "text/plain", [b"nothing here"]))
            answer = h11.Response(status_code=status, headers=[("content-type", content_type), ("connection", "close")])
            await stream.send_all(connection.send(answer) or b"")
            for piece in pieces:
                await stream.send_all(connection.send(h11.Data(piece)) or b"")
            await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


@asynccontextmanager
async def serving(answers: Mapping[str, tuple[int, str, list[bytes]]]) -> AsyncGenerator[Web]:
    """A server on a free port of loopback."""
    web = Web(answers)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, web.handle, 0, host="127.0.0.1"))
        web.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        yield web
        nursery.cancel_scope.cancel()


def sent(*frames: object) -> tuple[int, str, list[bytes]]:
    """Frames as server-sent events, one piece each."""
    return 200, "text/event-stream", [b"data: %b\n\n" % msgspec.json.encode(frame) for frame in frames]


def page(value: object, status: int = 200) -> tuple[int, str, list[bytes]]:
    """A value as JSON."""
    return status, "application/json", [msgspec.json.encode(value)]
