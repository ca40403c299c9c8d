"""Serves an ASGI application on bound sockets: HTTP/1.1 and WebSocket, each connection guarded from the others.

An error in one connection's code is logged and ends that connection only. A drain happens in two steps: no more
connections, idle ones close, WebSockets close with 1012 (service restart), running requests go on; then, after the
grace, whatever is left is cancelled. Nothing waits for a client.

Not here: which sockets (`thane.http.listeners`), who may come in (`thane.http.guard`), what is answered
(`thane.http.quart_app`).
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Callable, Sequence

import structlog
import trio
from hypercorn.utils import parse_socket_addr

from thane.clock import Clock, SystemClock
from thane.config.settings import Limits
from thane.http.connection import Connection
from thane.http.lifespan import lifespan
from thane.http.site import ASGIApp, RequestRecord, Site, Statistics, log_request
from thane.ids import Ids

_log = structlog.get_logger("thane.http")

_OVERLOADED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_BROKEN = {errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP}
_OVERLOADED_PAUSE_SECONDS = 0.1
_KEEP_ALIVE_PROBES = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


class Server:
    """What `serve` tells the one that started it."""

    def __init__(self, site: Site, addresses: tuple[tuple[str, int], ...]) -> None:
        self.addresses = addresses
        self._site = site

    def statistics(self) -> Statistics:
        return self._site.statistics()


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    *,
    limits: Limits,
    drain: trio.Event,
    grace_seconds: float,
    ids: Ids | None = None,
    clock: Clock | None = None,
    on_request: Callable[[RequestRecord], None] = log_request,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `sockets`, which are bound and stay the caller's, until `drain` is set and all is answered.

    Returns at most `grace_seconds` after `drain`, however clients behave. `on_request` is called once for each request,
    when it is over; it must not block. The sockets are closed when the drain begins, so that new clients are refused.
    """
    clock = clock or SystemClock()
    site = Site(app, limits, ids or Ids(random.SystemRandom(), clock), clock, on_request)
    for each in sockets:
        _prepare(each, limits)
    listening = [trio.socket.from_stdlib_socket(each) for each in sockets]
    async with lifespan(app, grace_seconds), trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            for each in listening:
                accepting.start_soon(_accept, site, each, connections)
            task_status.started(Server(site, tuple(each.getsockname()[:2] for each in sockets)))
            await drain.wait()
            accepting.cancel_scope.cancel()
        for each in listening:
            each.close()
        site.draining = True
        connections.cancel_scope.deadline = trio.current_time() + grace_seconds
        for connection in tuple(site.connections):
            connection.drain()


def _prepare(sock: socket.socket, limits: Limits) -> None:
    """Options that accepted connections inherit (tcp(7)). Trio adds TCP_NODELAY and a small TCP_NOTSENT_LOWAT."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE_PROBES:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limits.write_timeout_seconds * 1000))
    sock.listen(min(limits.connections, socket.SOMAXCONN))


async def _accept(site: Site, listening: trio.socket.SocketType, connections: trio.Nursery) -> None:
    while True:
        if site.full:
            await trio.lowlevel.wait_readable(listening)  # so that nobody makes room for nobody
            await _make_room(site)
        try:
            sock, _ = await listening.accept()
        except OSError as error:
            if error.errno in _BROKEN:
                raise
            if error.errno in _OVERLOADED:
                _log.error("cannot accept connections", error=str(error))
                await trio.sleep(_OVERLOADED_PAUSE_SECONDS)
            continue  # otherwise the client was gone before it was accepted
        connection = Connection(site, trio.SocketStream(sock))
        site.accepted += 1
        site.connections.add(connection)
        connections.start_soon(_handle, site, connection, sock)


async def _make_room(site: Site) -> None:
    """Wait until there is room for another connection; the one that was idle for longest makes it."""
    while site.full:
        if site.idle:
            next(iter(site.idle)).drain()
        await site.room.wait()


async def _handle(site: Site, connection: Connection, sock: trio.socket.SocketType) -> None:
    """One connection. No error of its own gets out: only cancellation, and what ends the program."""
    try:
        client = parse_socket_addr(sock.family, sock.getpeername())
        server = parse_socket_addr(sock.family, sock.getsockname())
        await connection.run(client, server)
    except OSError:
        pass  # gone before it was served
    except Exception as error:  # noqa: BLE001 the border that keeps one connection's failure from all others
        _failed(site, error)
    except BaseExceptionGroup as group:
        ours, others = group.split(Exception)
        if ours is not None:
            _failed(site, ours)
        if others is not None:
            raise others from None
    finally:
        sock.close()
        site.leave(connection)


def _failed(site: Site, error: BaseException) -> None:
    site.failed += 1
    _log.error("connection failed", exc_info=error)
