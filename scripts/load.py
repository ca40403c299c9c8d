"""A load client for the benchmark: non-blocking sockets on epoll, so that it costs little beside what it measures.

It speaks just enough HTTP/1.1 to know where an answer ends. Request loops are bounded in count; it talks to loopback
only. Not a general client.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_READ = 262_144
_STUCK_SECONDS = 30.0
_MARK = b'"done":false'  # in each line of a stream but the last


@dataclass
class Outcome:
    """What a round of requests took. Times in seconds; `tokens` counts lines of streams but the last."""

    wall: float = 0.0
    requests: int = 0
    tokens: int = 0
    first_byte: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: float = 0.0
    first: float = 0.0
    seen: bytearray = field(default_factory=bytearray)
    chunked: bool = False
    end: int = -1  # length of the whole answer, once its head is known
    tail: bytes = b""


def request(path: str, body: bytes, host: str = "127.0.0.1") -> bytes:
    """The bytes of one POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run(port: int, requests: Iterator[bytes], *, clients: int, total: int) -> Outcome:
    """Send `total` requests over `clients` kept connections, each as soon as its connection is free."""
    outcome = Outcome()
    poll = select.epoll()
    connections: dict[int, _Connection] = {}
    left = total
    for _ in range(min(clients, total)):
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[link.fileno()] = _Connection(link)
        poll.register(link.fileno(), select.EPOLLIN)
    start = time.perf_counter()
    for connection in connections.values():
        _send(connection, next(requests))
        left -= 1
    while outcome.requests < total:
        ready = poll.poll(_STUCK_SECONDS)
        if not ready:
            raise RuntimeError(f"no answer for {_STUCK_SECONDS:g} s after {outcome.requests} of {total} requests")
        for descriptor, _ in ready:
            connection = connections[descriptor]
            if _receive(connection, outcome) and left:
                left -= 1
                _send(connection, next(requests))
    outcome.wall = time.perf_counter() - start
    for connection in connections.values():
        connection.socket.close()
    poll.close()
    return outcome


def _send(connection: _Connection, data: bytes) -> None:
    connection.seen.clear()
    connection.tail, connection.end, connection.first = b"", -1, 0.0
    connection.sent_at = time.perf_counter()
    connection.socket.sendall(data)


def _receive(connection: _Connection, outcome: Outcome) -> bool:
    """Take what has come; True when the answer is complete."""
    data = connection.socket.recv(_READ)
    if not data:
        raise RuntimeError(f"the connection was closed after {bytes(connection.seen[-200:])!r}{connection.tail!r}")
    if not connection.first:
        connection.first = time.perf_counter()
        outcome.first_byte.append(connection.first - connection.sent_at)
    if connection.end < 0 and not connection.chunked:
        connection.seen += data
        head, separator, rest = bytes(connection.seen).partition(b"\r\n\r\n")
        if not separator:
            return False
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"refused: {bytes(connection.seen[:400])!r}")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            connection.chunked = True
            data = rest
        else:
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            connection.end = len(head) + 4 + length
            data = b""
    if connection.chunked:
        joined = connection.tail + data  # a mark may be cut by the end of a read
        outcome.tokens += joined.count(_MARK) - connection.tail.count(_MARK)
        connection.tail = joined[-(len(_MARK) - 1) :]
        done = connection.tail.endswith(b"\r\n0\r\n\r\n")
    else:
        connection.seen += data
        done = len(connection.seen) >= connection.end
    if done:
        connection.chunked = False
        outcome.requests += 1
        outcome.total.append(time.perf_counter() - connection.sent_at)
    return done
