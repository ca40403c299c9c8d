"""One accepted connection: reading with deadlines, writing without waiting where possible, and its end.

What ends a connection ends its requests: when the client hangs up, the running handler is cancelled at once.

A client that closes only its sending side (as `nc -N` does) looks the same as one that is gone, until something is
written to it. Hence this rule: the end of what a client sends is taken for a hang-up, because a run must not go on for
nobody; except for GET and HEAD, which start no run: they are still answered, within `limits.write_timeout_seconds`, if
the length of the answer is known when it begins. A stream is not begun, and one that has begun ends at once.

Writes are tried directly and without a scope or lock. Only when the socket is full is there a wait, of
`limits.write_timeout_seconds` without progress; then the client is given up. A write that was cancelled in its middle
marks the connection as unusable.
"""

from __future__ import annotations

import math
import os

import trio

from thane.http.h11_protocol import Http1
from thane.http.site import Site
from thane.http.streams import HttpStream, WebSocketStream

_RECEIVE_BYTES = 65_536
_READ_AHEAD_BYTES = 65_536
_WRITES_WITHOUT_CHECKPOINT = 16
_GOING_AWAY = 1012  # service restart, https://www.iana.org/assignments/websocket
_NOT_KEEPING_UP = 1008


class Connection:
    """The socket's side. `over` says that no more requests are taken, `dead` that nothing can be written any more."""

    def __init__(self, site: Site, stream: trio.SocketStream) -> None:
        self.over = False
        self.dead = False
        self.half_closed = False
        self._site = site
        self._limits = site.limits
        self._stream = stream
        self._fileno = stream.socket.fileno
        self._reading = trio.CancelScope(deadline=trio.current_time() + self._limits.header_timeout_seconds)
        self._writing = trio.Lock()
        self._writes = 0
        self._turn: trio.Event | None = None
        self._http = Http1(site, self)
        self._nursery: trio.Nursery

    async def run(self, client: tuple[str, int] | None, server: tuple[str, int] | None) -> None:
        """Serve the connection until it ends. Closing the socket is the caller's; nothing is written after this."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._http.start(nursery, client, server)
                with self._reading:
                    await self._read()
                if not self.over:
                    await self._time_out()
                if not self.dead and self._http.more_may_come:
                    await self._linger()
        finally:
            self.dead = self.over = True

    async def _read(self) -> None:
        limits = self._limits
        while not self.over:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.hang_up()
                return
            if not data:
                await self._take_eof()
                return
            if self in self._site.idle:
                del self._site.idle[self]
                self.patience(limits.header_timeout_seconds)
            await self._http.feed(bytes(data))
            if self._http.expects_body:
                self.patience(limits.body_timeout_seconds)
            elif self._http.stream is not None and self._reading.deadline != math.inf:
                self.patience(None)

    async def _take_eof(self) -> None:
        stream = self._http.stream
        if isinstance(stream, HttpStream) and stream.may_outlive_eof and not self._http.expects_body:
            self.half_closed = True
            stream.task.cancel_scope.deadline = trio.current_time() + self._limits.write_timeout_seconds
            self.patience(None)
            await self._http.feed(b"")
            if self._http.stream is not None:
                await trio.sleep_forever()  # until `finish` or `hang_up`
            self.finish()
        else:
            self.hang_up()

    async def _time_out(self) -> None:
        stream = self._http.stream
        if isinstance(stream, WebSocketStream):
            await stream.close(_NOT_KEEPING_UP, "messages are not taken fast enough")
        elif stream is not None or self._http.has_partial_head:
            await self._http.refuse(408, "the rest of the request did not come in time")
        else:
            self.hang_up()

    async def _linger(self) -> None:
        """Say that no more comes, and take what the client still sends: closing at once could destroy the answer."""
        with trio.move_on_after(self._limits.linger_seconds) as self._reading:
            try:
                await self._stream.send_eof()
                while await self._stream.receive_some(_RECEIVE_BYTES):
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    # What the protocol asks for

    def patience(self, seconds: float | None) -> None:
        """How long the client may now be silent; None is for ever."""
        self._reading.deadline = math.inf if seconds is None else trio.current_time() + seconds

    def busy(self) -> None:
        """A request has begun."""
        self._site.requests += 1
        self._site.idle.pop(self, None)
        self._reading.deadline = math.inf

    def rest(self) -> None:
        """The request is answered; the next may come."""
        self._site.rest(self)
        self.patience(self._limits.keep_alive_seconds)
        self.next_turn()

    def finish(self) -> None:
        """Everything is said: close, in peace."""
        self.over = True
        self._reading.cancel()
        self.next_turn()

    def hang_up(self) -> None:
        """The client is gone or is given up: cancel what runs for it."""
        self.dead = True
        stream = self._http.stream
        if stream is not None:
            stream.task.cancel_scope.cancel()
            stream.end()
        self.finish()

    def next_turn(self) -> None:
        """Let `wait_for_turn` go on."""
        if self._turn is not None:
            self._turn.set()

    async def wait_for_turn(self) -> None:
        """Wait until the bytes that came early may be handled, and read on a little so as to see a hang-up."""
        self._turn = turn = trio.Event()
        self.patience(None)
        async with trio.open_nursery() as race:
            race.start_soon(self._read_ahead)
            await turn.wait()
            race.cancel_scope.cancel()
        self._turn = None

    async def _read_ahead(self) -> None:
        ahead = 0
        while ahead < _READ_AHEAD_BYTES and not self.half_closed:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.hang_up()
                return
            if not data:
                stream = self._http.stream
                self.half_closed = True
                if stream is not None and not (isinstance(stream, HttpStream) and stream.may_outlive_eof):
                    self.hang_up()
            self._http.append(bytes(data))
            ahead += len(data)

    # Writing

    async def send(self, data: bytes) -> None:
        """Write it all, or find that the client is gone, which cancels the handler."""
        if self.dead:
            await trio.lowlevel.checkpoint()
            return
        if self._writing.locked():
            await self._send_slowly(memoryview(data))
            return
        try:
            written = os.write(self._fileno(), data)
        except BlockingIOError:
            written = 0
        except OSError:
            self.hang_up()
            await trio.lowlevel.checkpoint()
            return
        if written != len(data):
            await self._send_slowly(memoryview(data)[written:])
            return
        self._writes += 1
        if self._writes % _WRITES_WITHOUT_CHECKPOINT == 0:
            await trio.lowlevel.checkpoint()

    async def _send_slowly(self, rest: memoryview) -> None:
        try:
            async with self._writing:
                while rest and not self.dead:
                    with trio.move_on_after(self._limits.write_timeout_seconds) as patience:
                        await trio.lowlevel.wait_writable(self._stream.socket)
                    if patience.cancelled_caught:
                        self.hang_up()
                        return
                    try:
                        rest = rest[os.write(self._fileno(), rest) :]
                    except BlockingIOError:
                        continue
        except (OSError, trio.ClosedResourceError):
            self.hang_up()
        except trio.Cancelled:
            self.hang_up()  # half a message may be on the wire
            raise

    # Shutdown

    def drain(self) -> None:
        """Close as soon as what runs is answered; a WebSocket at once."""
        stream = self._http.stream
        if self.over:
            return
        if stream is None:
            self.hang_up()
        elif isinstance(stream, WebSocketStream):
            self._nursery.start_soon(stream.close, _GOING_AWAY, "service restart")
