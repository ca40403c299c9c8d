"""What all connections of one listener share: the application, the limits, the counters, and the types between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog
import trio
from hypercorn.config import Config

from thane.clock import Clock
from thane.config.settings import Limits
from thane.ids import Ids

if TYPE_CHECKING:
    from thane.http.connection import Connection

type Scope = MutableMapping[str, Any]
type ASGIMessage = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[ASGIMessage]]
type Send = Callable[[ASGIMessage], Awaitable[None]]


class ASGIApp(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


class RequestRecord(msgspec.Struct, frozen=True):
    """What is told of a request when it is over. `bytes_sent` counts the body; those of a WebSocket are not counted.

    No query and no headers: they may hold keys and names.
    """

    method: str  # WEBSOCKET for one
    path: str
    status: int  # 0 when the client was gone before there was one
    bytes_sent: int
    duration_seconds: float
    request_id: str
    reason: str = ""  # why it was no request, where it was none; the path is "" where none was read


class Statistics(msgspec.Struct, frozen=True):
    """Counts since the start, and what is open now."""

    accepted: int
    open: int
    idle: int
    requests: int
    failed: int  # connections that ended by an error of ours


_log = structlog.get_logger("thane.http")


def log_request(record: RequestRecord) -> None:
    """One line for each request, at level debug."""
    _log.debug(
        "request",
        method=record.method,
        path=record.path,
        status=record.status,
        bytes=record.bytes_sent,
        ms=round(record.duration_seconds * 1000, 1),
        request_id=record.request_id,
        **({"reason": record.reason} if record.reason else {}),
    )


class Site:
    """Shared by the connections of one listener; lives as long as `serve`."""

    def __init__(
        self, app: ASGIApp, limits: Limits, ids: Ids, clock: Clock, on_request: Callable[[RequestRecord], None]
    ) -> None:
        self.app = app
        self.limits = limits
        self.ids = ids
        self.on_request = on_request
        self.draining = False
        self.room = trio.Event()  # set, and made anew, when a connection ended or could be ended
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, None] = {}  # the one idle for longest comes first
        self.accepted = 0
        self.requests = 0
        self.failed = 0
        self.hypercorn = Config()
        self.hypercorn.accesslog = None
        self.hypercorn.errorlog = None
        self.hypercorn.websocket_ping_interval = None  # `WebSocketStream` pings
        self._clock = clock
        self._headers_second = 0
        self._headers: tuple[tuple[bytes, bytes], ...] = ()

    def standard_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """`date` and `server` of every answer, made once in a second."""
        second = int(self._clock.time())
        if second != self._headers_second:
            self._headers_second = second
            self._headers = ((b"date", formatdate(second, usegmt=True).encode()), (b"server", b"thane"))
        return self._headers

    @property
    def full(self) -> bool:
        return len(self.connections) >= self.limits.connections

    def rest(self, connection: Connection) -> None:
        """The connection waits for its next request."""
        self.idle[connection] = None
        if self.full:
            self._tell()

    def leave(self, connection: Connection) -> None:
        """The connection has ended."""
        self.connections.discard(connection)
        self.idle.pop(connection, None)
        self._tell()

    def _tell(self) -> None:
        self.room.set()
        self.room = trio.Event()

    def statistics(self) -> Statistics:
        return Statistics(
            accepted=self.accepted,
            open=len(self.connections),
            idle=len(self.idle),
            requests=self.requests,
            failed=self.failed,
        )
