"""Between ASGI and Quart: one request, one WebSocket, the lifespan.

In the place of Quart-Trio's own connection classes, which run a second task for each request to listen for a disconnect
and cancel the first in the middle of its last write. Here the server cancels the handler (`thane.http.streams`), and
bodies and WebSocket messages are pulled by the handler itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, override

import structlog
import trio
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.utils import encode_headers
from quart.wrappers.base import ClientDisconnectedError
from quart.wrappers.response import DataBody, Response
from quart.wrappers.websocket import Buffer
from quart_trio.asgi import TrioASGILifespan
from werkzeug.datastructures import Headers
from wsproto.frame_protocol import CloseReason

from thane.http.site import ASGIMessage, Receive, Send

if TYPE_CHECKING:
    from thane.http.body import RequestBody

_log = structlog.get_logger("thane.http")


class HttpConnection(ASGIHTTPConnection):
    """One request, in the task that the server started for it."""

    @override
    async def __call__(self, receive: Any, send: Any) -> None:
        request = self._create_request_from_scope(send)
        body: RequestBody = request.body  # pyright: ignore[reportAssignmentType] `Request.body_class`
        body.attach(receive, request.headers.get("Content-Encoding", ""))
        await self._respond(send, await self.app.handle_request(request))

    async def _respond(self, send: Send, response: Any) -> None:
        head = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.headers),
        }
        body = response.response
        if isinstance(body, DataBody):
            await send(head)
            await send({"type": "http.response.body", "body": body.data[body.begin : body.end]})
        elif not isinstance(response, Response):  # Werkzeug's own, for a redirect
            await send(head)
            await send({"type": "http.response.body", "body": b"".join(response.iter_encoded())})
        else:
            async with body as pieces:  # before the head, so that it is closed however early the client is gone
                await send(head)
                if self.scope["method"] != "HEAD":
                    async for piece in pieces:
                        data = piece.encode() if isinstance(piece, str) else piece
                        await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body"})


class WebsocketConnection(ASGIWebsocketConnection):
    """One WebSocket, in the task that the server started for it."""

    @override
    async def __call__(self, receive: Any, send: Any) -> None:
        websocket = self._create_websocket_from_scope(send)
        inbox: WebsocketInbox = websocket.buffer  # pyright: ignore[reportAssignmentType] `Websocket.buffer_class`
        inbox.attach(receive)
        response: Any = await self.app.handle_websocket(websocket)
        if self._closed:
            return
        if not self._accepted:
            await self._refuse(send, response)
        elif response is None:
            await send({"type": "websocket.close", "code": CloseReason.NORMAL_CLOSURE})
        else:  # an error that the application made an answer of, too late for one
            ours = response.status_code >= 500
            code = CloseReason.INTERNAL_ERROR if ours else CloseReason.POLICY_VIOLATION
            await send({"type": "websocket.close", "code": code})

    async def _refuse(self, send: Send, response: Any) -> None:
        if response is None:
            await send({"type": "websocket.close", "code": CloseReason.NORMAL_CLOSURE})
            return
        data = await response.get_data(as_text=False) if isinstance(response, Response) else response.get_data()
        headers = encode_headers(response.headers)
        await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": data})

    @override
    async def send_data(self, send: Any, data: str | bytes) -> None:
        key = "text" if isinstance(data, str) else "bytes"
        await send({"type": "websocket.send", key: data})

    @override
    async def accept_connection(self, send: Any, headers: Headers, subprotocol: str | None) -> None:
        if not self._accepted:
            self._accepted = True
            await send({"type": "websocket.accept", "headers": encode_headers(headers), "subprotocol": subprotocol})


class WebsocketInbox(Buffer):
    """A WebSocket's messages, taken from the server's bounded queue as the handler asks for them."""

    def __init__(self) -> None:
        self._receive: Receive | None = None

    def attach(self, receive: Receive) -> None:
        """Where the messages come from."""
        self._receive = receive

    @override
    async def get(self) -> bytes | str:
        if self._receive is None:
            raise RuntimeError("this WebSocket is attached to no connection")
        while True:
            message: ASGIMessage = await self._receive()
            if message["type"] == "websocket.receive":
                data: str | bytes | None = message.get("text")
                return message["bytes"] if data is None else data
            if message["type"] != "websocket.connect":
                raise ClientDisconnectedError


class AppLifespan(TrioASGILifespan):
    """Quart-Trio's lifespan, with a nursery whose tasks cannot end it."""

    @override
    async def __call__(self, receive: Any, send: Any) -> None:
        async with trio.open_nursery() as nursery:
            background: Any = Background(nursery)
            self.app.nursery = background
            stage = ""
            while stage != "shutdown":
                event = await receive()
                stage = event["type"].removeprefix("lifespan.")
                try:
                    await (self.app.startup() if stage == "startup" else self.app.shutdown())
                except Exception as error:  # noqa: BLE001 Quart has logged it; the server is told, and decides
                    await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
                else:
                    await send({"type": f"lifespan.{stage}.complete"})


class Background:
    """Stands in for `app.nursery`: a task that fails is logged and ends alone. Thane's own work belongs elsewhere."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.cancel_scope = nursery.cancel_scope

    def start_soon(self, task: Callable[..., Awaitable[object]], *args: Any, name: object = None) -> None:
        self._nursery.start_soon(self._guarded, task, *args, name=name or task)

    async def _guarded(self, task: Callable[..., Awaitable[object]], *args: Any) -> None:
        try:
            await task(*args)
        except Exception as error:  # noqa: BLE001 a background task's failure ends nothing but itself
            _log.error("background task failed", task=getattr(task, "__qualname__", repr(task)), exc_info=error)
