"""What the fake model servers share: connections, scripts that play, and what was seen and counted.

They speak HTTP/1.1 of their own, over any trio stream, one chunk a line; they are not models, and not hardened against
hostile clients. `fake_ollama`, `fake_openai` and `fake_anthropic` are the protocols.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from thane.models.counts import counted
from thane.testing.script import Format, Plan, Reply, Stop, Tally, answer, compile_reply

type JSON = dict[str, Any]

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


class FakeModel(msgspec.Struct, frozen=True):
    """A model that the server says it has."""

    name: str
    context_tokens: int = 32_768
    capabilities: tuple[str, ...] = ("completion", "tools")


@dataclass
class Connection:
    """One client connection. Times are `trio.current_time()`."""

    opened_at: float
    closed_at: float | None = None


@dataclass
class Request:
    """One request as it came. Header names are lower case; `body` is the decoded JSON, or None."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    connection: Connection


@dataclass
class Counts:
    """The server's own count of one model's calls: what a client's accounts must agree with.

    `calls` were begun, `finished` got their end mark, `refused` an error's status; the rest was cut, failed or left.
    Tokens are those of the finished, as they were told (a count that can be none is left out); `pieces` are the pieces
    of text and thinking that were written, to whomever.
    """

    calls: int = 0
    refused: int = 0
    finished: int = 0
    pieces: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, stop: Stop) -> None:
        self.finished += 1
        self.input_tokens += counted(stop.prompt_tokens) or 0
        self.output_tokens += counted(stop.output_tokens) or 0
        self.cached_tokens += stop.cached_tokens
        self.cache_write_tokens += stop.cache_write_tokens
        self.reasoning_tokens += stop.reasoning_tokens


class _HungUpError(Exception):
    """The client closed its side."""


class FakeServer(ABC):
    """The server's state: scripts to play, and what was seen. `serving_fake` makes it listen."""

    path = ""
    """Where answers are asked for."""
    reads = False
    """Whether requests are decoded whole, also where they are not recorded."""

    def __init__(
        self,
        default: Reply | None = None,
        models: tuple[FakeModel, ...] = (FakeModel("qwen3:4b"),),
        *,
        record: bool = True,
    ) -> None:
        """Without `record`, `requests`, `connections` and `counts` stay empty: a benchmark runs long."""
        self.default = default or answer("Hello", " there", ".")
        self.models = models
        self.url = ""
        self.port = 0
        self.pause = 0.0  # seconds of silence before the connection is closed, in the place of any answer but a chat's
        self.requests: list[Request] = []
        self.record = record
        self.connections: list[Connection] = []
        self.counts: dict[str, Counts] = {}
        self._script: deque[Reply] = deque()
        self._changed = trio.Event()
        self._writes: dict[int, tuple[Reply, str, Plan, bool]] = {}

    @abstractmethod
    def form(self) -> Format:
        """What turns one script into bytes."""

    @abstractmethod
    def fixed(self, request: Request) -> bytes:
        """The whole answer to a request that is none for a model's answer."""

    @abstractmethod
    def error(self, status: int, message: str) -> JSON:
        """The body of a refusal."""

    def script(self, *replies: Reply) -> None:
        """Replies to the next chat requests, in order; then `default` again."""
        self._script.extend(replies)

    @property
    def live(self) -> int:
        """Connections that are open now."""
        return sum(connection.closed_at is None for connection in self.connections)

    def counted(self, model: str) -> Counts:
        """The counts of a model, also when it was never called."""
        return self.counts.setdefault(model, Counts())

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition()` holds; it is asked again whenever a request or a connection comes or goes."""
        while not condition():
            await self._changed.wait()

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one client connection until it ends."""
        connection = Connection(trio.current_time())
        if self.record:
            self.connections.append(connection)
            self._notice()
        reader = _Reader(stream)
        try:
            while await self._exchange(reader, stream, connection):
                pass
        except (_HungUpError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            connection.closed_at = trio.current_time()
            self._notice()
            await trio.aclose_forcefully(stream)

    async def _exchange(self, reader: _Reader, stream: trio.abc.Stream, connection: Connection) -> bool:
        """One request and its reply. False when the connection is to be closed."""
        method, path, headers = await reader.head()
        body = await reader.body(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, None, trio.current_time(), connection)
        if body:
            skims = path == self.path and not (self.record or self.reads)  # a benchmark's long histories
            request.body = msgspec.json.decode(body, type=dict[str, msgspec.Raw] if skims else Any)
        if self.record:
            self.requests.append(request)
            self._notice()
        if path == self.path and method == "POST":
            return await self._chat(request, reader, stream)
        if not self.pause:
            await stream.send_all(self.fixed(request))
            return True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, reader, nursery.cancel_scope)
            await trio.sleep(self.pause)
            nursery.cancel_scope.cancel()
        return False

    def reply_to(self, request: Request) -> Reply:
        """What a chat request gets. Overridden by a model that answers what it is asked."""
        del request
        return self._script.popleft() if self._script else self.default

    async def _chat(self, request: Request, reader: _Reader, stream: trio.abc.Stream) -> bool:
        reply = self.reply_to(request)
        model = request.body["model"]
        name: str = msgspec.json.decode(model) if isinstance(model, msgspec.Raw) else model
        counts = self.counted(name) if self.record else Counts()
        if reply.status != 200:
            counts.refused += 1
            headers = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after}"}
            await stream.send_all(as_json(reply.status, self.error(reply.status, reply.error), **headers))
            return True
        counts.calls += 1
        if reply.cut_before_head:
            return False
        plan, waits = self._plan(reply, name)
        if not waits:  # nothing to wait for: no need of a watching task
            return await _play(plan, stream, counts)
        kept = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, reader, nursery.cancel_scope)
            with suppress(trio.BrokenResourceError):
                kept = await _play(plan, stream, counts)
            nursery.cancel_scope.cancel()
        return kept

    def _plan(self, reply: Reply, model: str) -> tuple[Plan, bool]:
        """What to write, and whether there is something to wait for; made once for each script."""
        known = self._writes.get(id(reply))
        if known is None or known[0] is not reply or known[1] != model:
            plan = compile_reply(reply, model, self.form(), tallies=self.record)
            waits = any(not isinstance(part, bytes | Tally) for part in plan)
            known = self._writes[id(reply)] = (reply, model, plan, waits)
        return known[2], known[3]


@dataclass
class _Reader:
    """Bytes of one connection, split into requests."""

    stream: trio.abc.Stream
    buffer: bytearray = field(default_factory=bytearray)

    async def more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise _HungUpError
        self.buffer += data

    async def head(self) -> tuple[str, str, dict[str, str]]:
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            await self.more()
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        del self.buffer[: end + 4]
        method, target, _ = lines[0].split(" ")
        pairs = (line.partition(":") for line in lines[1:])
        return method, target.partition("?")[0], {name.lower(): value.strip() for name, _, value in pairs}

    async def body(self, length: int) -> bytes:
        while len(self.buffer) < length:
            await self.more()
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return body


async def _watch(reader: _Reader, scope: trio.CancelScope) -> None:
    """End the reply as soon as the client hangs up."""
    try:
        while True:
            await reader.more()
    except (_HungUpError, trio.BrokenResourceError, trio.ClosedResourceError):
        scope.cancel()


async def _play(plan: Plan, stream: trio.abc.Stream, counts: Counts) -> bool:
    due = trio.current_time()
    for part in plan:
        if part is None:
            return False
        if isinstance(part, bytes):
            await stream.send_all(part)
        elif isinstance(part, Tally):
            counts.pieces += part.pieces
            if part.stop is not None:
                counts.add(part.stop)
        else:
            due += part  # from when it was due, not from now: the pace does not drift
            await trio.sleep_until(due)
    return True


def vector_of(text: str) -> tuple[float, ...]:
    """The embedding that a fake server has for a text: its length, its spaces, and 1."""
    return float(len(text)), float(text.count(" ")), 1.0


def as_json(status: int, value: object, **headers: str) -> bytes:
    """A whole answer of JSON."""
    return whole(status, msgspec.json.encode(value), "application/json; charset=utf-8", headers)


def whole(status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving_fake[T: FakeServer](fake: T, port: int = 0) -> AsyncGenerator[T]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        fake.port = listeners[0].socket.getsockname()[1]
        fake.url = f"http://127.0.0.1:{fake.port}"
        await nursery.start(trio.serve_listeners, fake.serve, listeners)
        try:
            yield fake
        finally:
            nursery.cancel_scope.cancel()
