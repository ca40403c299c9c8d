"""The WebSocket connection to a running Thane's event stream. When to connect again is in `thane.cli.follow`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from thane.cli.follow import Connect, Messages
from thane.cli.remote import TIMEOUT_SECONDS, Remote
from thane.errors import DependencyError

PATH = "/v1/events"
MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest event that is taken; the results of tools are in them."""
QUEUE_MESSAGES = 64
"""Events that may wait here, so that the answer to a ping is not stuck behind them."""
CLOSE_SECONDS = 1.0
_BUSY = (429, 502, 503, 504)


def connector(remote: Remote, query: Sequence[tuple[str, str]]) -> Connect:
    """Opens the event stream of `remote`, filtered by `query`."""

    @asynccontextmanager
    async def connect(since: int | None) -> AsyncGenerator[Messages]:
        url = remote.websocket(PATH, [*query, *([] if since is None else [("since", str(since))])])
        try:
            stream = await _open_stream(url)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            raise remote.unreachable(error) from error
        try:
            # The stream is ours, because trio-websocket 0.12 leaves it open when the handshake is refused.
            async with stream, trio.open_nursery() as nursery:
                with trio.fail_after(TIMEOUT_SECONDS):
                    connection = await _shake_hands(nursery, stream, url, remote)
                try:
                    yield connection
                finally:
                    with trio.move_on_after(CLOSE_SECONDS):
                        await connection.aclose()
                    nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _understood(group, remote) from None

    return connect


type _Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


async def _open_stream(url: str) -> _Stream:
    parts = urlsplit(url)
    host = parts.hostname or ""
    with trio.fail_after(TIMEOUT_SECONDS):
        if parts.scheme == "ws":
            return await trio.open_tcp_stream(host, parts.port or 80)
        context = ssl.create_default_context()
        secure = await trio.open_ssl_over_tcp_stream(
            host, parts.port or 443, ssl_context=context, https_compatible=True
        )
        try:
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(secure)
            raise
        return secure


async def _shake_hands(nursery: trio.Nursery, stream: _Stream, url: str, remote: Remote) -> WebSocketConnection:
    parts = urlsplit(url)
    return await wrap_client_stream(
        nursery,
        stream,
        parts.netloc.rpartition("@")[2],
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        extra_headers=[(name.encode(), value.encode()) for name, value in remote.headers().items()],
        message_queue_size=QUEUE_MESSAGES,
        max_message_size=MESSAGE_BYTES,
    )


def _understood(group: BaseExceptionGroup[BaseException], remote: Remote) -> BaseException:
    """The one exception of a nursery's group, told as DependencyError where it is the network's; else the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, ConnectionRejected):
        refused = remote.refused(error.status_code, error.body or b"")
        return DependencyError(str(refused), dependency="thane", temporary=error.status_code in _BUSY)
    if isinstance(error, trio.TooSlowError | ConnectionClosed):
        return remote.unreachable(error)
    return error
