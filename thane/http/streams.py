"""One request and its answer, or one WebSocket, on Hypercorn's stream classes.

Hypercorn's `HTTPStream` and `WSStream` build the ASGI scope and hold the order of messages; here is what they lack: the
application runs in a cancel scope that ends with its client, what the client sends waits in a bounded queue, a bad
frame or a crash closes this one connection, and each request is recorded once, without a copy of the environment.

Not here: bytes on the socket (`thane.http.connection`) and HTTP framing (`thane.http.h11_protocol`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, override

import structlog
import trio
from hypercorn.protocol.events import Data, Event, Request, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import suppress_body
from quart.wrappers.base import ClientDisconnectedError
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from thane.http.site import ASGIApp, ASGIMessage, RequestRecord, Scope

if TYPE_CHECKING:
    from thane.http.h11_protocol import Http1

_log = structlog.get_logger("thane.http")

_FRAMES_WITHOUT_CHECKPOINT = 16
_BODY_PIECES = 16  # of up to 64 KiB each; more stay in the client's socket until the handler takes these


class AppTask:
    """The application's run for one stream: what Hypercorn calls a task group, with one task and a cancel scope."""

    def __init__(self, nursery: trio.Nursery, capacity: int, before_receive: Callable[[], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._before_receive = before_receive
        self._kind = ""
        self._send, self._inbox = trio.open_memory_channel[ASGIMessage](capacity)
        self.cancel_scope = trio.CancelScope()

    async def spawn_app(
        self, app: ASGIApp, _config: object, scope: Scope, send: Callable[[ASGIMessage | None], Awaitable[None]]
    ) -> Callable[[ASGIMessage], Awaitable[None]]:
        """Start the application; called by Hypercorn's streams. What is returned queues what the client sends."""
        self._kind = scope["type"]
        self._nursery.start_soon(self._run, app, scope, send)
        return self.put

    async def put(self, message: ASGIMessage) -> None:
        """Queue what the client sent; waits while the queue is full."""
        try:
            try:
                self._send.send_nowait(message)
            except trio.WouldBlock:
                await self._send.send(message)
        except trio.ClosedResourceError:
            pass  # the answer was given without it

    @property
    def full(self) -> bool:
        queue = self._send.statistics()
        return queue.current_buffer_used >= queue.max_buffer_size

    def end(self) -> None:
        """There will be no more from the client: a handler that asks is told so."""
        self._send.close()

    async def _receive(self) -> ASGIMessage:
        await self._before_receive()
        try:
            # Without a checkpoint where something is there: it is the body of nearly every request, and the queue ends.
            return self._inbox.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            pass
        try:
            return await self._inbox.receive()
        except trio.EndOfChannel:
            return {"type": f"{self._kind}.disconnect"}

    async def _run(self, app: ASGIApp, scope: Scope, send: Callable[[ASGIMessage | None], Awaitable[None]]) -> None:
        try:
            with self.cancel_scope:
                await app(scope, self._receive, send)
        except ClientDisconnectedError:
            pass
        except Exception as error:  # noqa: BLE001 one request's failure of any kind stays this request's
            request_id = scope["state"].get("request_id", "")
            _log.error("request handler failed", path=scope["path"], request_id=request_id, exc_info=error)
        await send(None)


def _hypercorn_arguments(http: Http1, task: AppTask) -> tuple[Any, ...]:
    """What Hypercorn's stream classes are made of; its types know only its own wrappers of applications and tasks."""
    site = http.site
    worker = WorkerContext(None)
    return site.app, site.hypercorn, worker, task, False, http.client, http.server, http.stream_send, STREAM_ID


class HttpStream(HTTPStream):
    """A request and its answer."""

    def __init__(self, http: Http1, nursery: trio.Nursery, request_id: str) -> None:
        self.task = AppTask(nursery, _BODY_PIECES, http.send_continue)
        super().__init__(*_hypercorn_arguments(http, self.task))
        self._http = http
        self._request_id = request_id
        self._started = trio.current_time()
        self._bytes = 0
        self.status = 0

    @property
    def may_outlive_eof(self) -> bool:
        """Whether a client that closed its sending side may still be given this answer; see `Connection`."""
        return self.scope["method"] in {"GET", "HEAD"} and not self._http.streaming

    @override
    async def handle(self, event: Event) -> None:
        if isinstance(event, StreamClosed):
            self.end()
        else:
            await super().handle(event)

    @property
    def request_id(self) -> str:
        """The request's, or its run's where there is one."""
        return self.scope["state"].get("request_id", self._request_id)

    def end(self, reason: str = "") -> None:
        """Nothing more is sent; recorded once, with a `reason` where the client broke the protocol."""
        if self.closed:
            return
        self.closed = True
        self.task.end()
        self._http.site.on_request(
            RequestRecord(
                method=self.scope["method"],
                path=self.scope["path"],
                status=self.status,
                bytes_sent=self._bytes,
                duration_seconds=trio.current_time() - self._started,
                request_id=self.request_id,
                reason=reason,
            )
        )

    @override
    async def app_send(self, message: Any) -> None:
        if self.closed:
            if message is not None:
                await trio.lowlevel.checkpoint()  # so that a loop that only sends is cancelled
        elif message is None:
            if self.state is ASGIHTTPState.REQUEST:
                self.status = 500
                await self._send_error_response(500)
            await self.send(StreamClosed(stream_id=STREAM_ID))
        elif message["type"] == "http.response.body" and self.state is ASGIHTTPState.RESPONSE:
            await self._send_body(message)
        else:
            if message["type"] == "http.response.start":
                self.status = int(message["status"])
            await super().app_send(message)

    async def _send_body(self, message: ASGIMessage) -> None:
        last = not message.get("more_body", False)
        data: bytes = message.get("body", b"")
        if data and suppress_body(self.scope["method"], self.status):
            data = b""
        self._bytes += len(data)
        await self._http.send_piece(data, last=last)
        if last and not self.closed:
            self.state = ASGIHTTPState.CLOSED
            await self.send(StreamClosed(stream_id=STREAM_ID))


class WebSocketStream(WSStream):
    """A WebSocket. No compression: a few bytes could unpack to any size."""

    def __init__(self, http: Http1, nursery: trio.Nursery, request_id: str) -> None:
        self._limits = http.site.limits
        self.task = AppTask(nursery, self._limits.websocket_queue_messages, trio.lowlevel.checkpoint)
        super().__init__(*_hypercorn_arguments(http, self.task))
        self._http = http
        self._nursery = nursery
        self._request_id = request_id
        self._started = trio.current_time()
        self.status = 0
        self._parts: list[Any] = []
        self._length = 0
        self._pings = trio.CancelScope()

    @property
    def waits_for_accept(self) -> bool:
        return self.state is ASGIWebsocketState.HANDSHAKE and not self.closed

    @override
    async def handle(self, event: Event) -> None:
        if self.closed:
            return
        if isinstance(event, StreamClosed):
            self.end()
        elif isinstance(event, Request):
            await super().handle(event)
            self.handshake.extensions = None
            if self.closed:  # no proper handshake: refused already
                self.closed = False
                await self.send(StreamClosed(stream_id=STREAM_ID))
        elif isinstance(event, Data) and self.state is ASGIWebsocketState.CONNECTED:
            self.connection.receive_data(event.data)
            await self._take_frames()

    @property
    def request_id(self) -> str:
        return self._request_id

    def end(self, reason: str = "") -> None:
        """The WebSocket is over for its handler, whoever ended it; recorded once."""
        if self.closed:
            return
        self.closed = True
        self._pings.cancel()
        self.task.cancel_scope.cancel()
        self.task.end()
        self._http.site.on_request(
            RequestRecord(
                method="WEBSOCKET",
                path=self.scope["path"],
                status=self.status,
                bytes_sent=0,
                duration_seconds=trio.current_time() - self._started,
                request_id=self._request_id,
                reason=reason,
            )
        )

    async def close(self, code: int, reason: str = "") -> None:
        """Close from the server's side: the frame, then the handler's end, then the connection's."""
        if self.closed:
            return
        if self.state is ASGIWebsocketState.CONNECTED:
            self.state = ASGIWebsocketState.CLOSED
            await self._send_wsproto_event(CloseConnection(code=code, reason=reason or None))
        await self.send(StreamClosed(stream_id=STREAM_ID))

    @override
    async def app_send(self, message: Any) -> None:
        if self.closed:
            await trio.lowlevel.checkpoint()
            return
        if message is not None and message["type"] == "websocket.http.response.start":
            self.status = int(message["status"])
        await super().app_send(message)

    @override
    async def _accept(self, message: Any) -> None:
        self.status = 101
        await super()._accept(message)
        if not self.closed:
            self._http.connection.next_turn()
            self._nursery.start_soon(self._ping)

    @override
    async def _send_error_response(self, status_code: int) -> None:
        self.status = status_code
        await super()._send_error_response(status_code)

    async def _take_frames(self) -> None:
        for number, event in enumerate(self.connection.events(), 1):
            if number % _FRAMES_WITHOUT_CHECKPOINT == 0:
                await trio.lowlevel.checkpoint()
            if isinstance(event, Message):
                await self._take_message(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                if self.connection.state is ConnectionState.OPEN:  # wsproto's word for a frame that it cannot read
                    await self.close(event.code, event.reason or "")
                elif self.connection.state is ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                await self.send(StreamClosed(stream_id=STREAM_ID))
            if self.closed:
                return

    async def _take_message(self, event: Message[Any]) -> None:
        part: Any = event.data
        self._length += len(part.encode()) if isinstance(part, str) else len(part)
        if self._length > self._limits.websocket_message_bytes:
            await self.close(CloseReason.MESSAGE_TOO_BIG, "longer than limits.websocket_message_bytes")
            return
        if part:  # else fragments of nothing could go on for ever
            self._parts.append(part)
        if event.message_finished:
            text = isinstance(event, TextMessage)
            whole = ("" if text else b"").join(self._parts)
            self._parts, self._length = [], 0
            if self.task.full:
                self._http.connection.patience(self._limits.body_timeout_seconds)
            await self.task.put(
                {"type": "websocket.receive", "text": whole if text else None, "bytes": None if text else whole}
            )

    async def _ping(self) -> None:
        with self._pings:
            while True:
                await trio.sleep(self._limits.websocket_ping_seconds)
                await self._send_wsproto_event(Ping())
