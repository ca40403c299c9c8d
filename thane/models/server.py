"""What every provider needs of its model server: requests over pooled connections, streams under a stall watch, places.

It knows HTTP and nothing of a protocol: a provider encodes the request, gives the reader that understands the answer,
and gets model output or `ModelError`. The only retry here is of a connection that was refused: nothing had been sent.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from urllib.parse import unquote_to_bytes

import httpx2
import msgspec
import trio

from thane import __version__
from thane.backoff import retry_pause
from thane.config.providers import ModelProvider, shown
from thane.config.settings import Models
from thane.models.failures import Failures, decoded, refused
from thane.models.http import Answered, Asked, Body, Connect, TrioTransport
from thane.models.provider import ModelDone, ModelError, ModelOutput, ModelStream, Waits

_DRAIN_SECONDS = (
    0.005  # after the last line, for the end of the HTTP body: it saves the connection for the next request
)
_ERROR_BODY_BYTES = 65_536
_KNOWN_REQUESTS = 64
_NO_SUCH_LIST = frozenset({404, 405, 501})


class Reader(Protocol):
    """Understands the body of one streamed answer, without I/O.

    `done` once its last item came; `failure` once nothing more can come; `progress` says whether the last bytes held
    anything of the model's, and not only a sign that the server lives.
    """

    done: bool
    failure: ModelError | None
    progress: bool

    def receive(self, data: bytes) -> tuple[ModelOutput, ...]:
        """Everything that these bytes complete. What stood before a failure is returned, and `failure` is set."""
        ...

    def end(self) -> tuple[ModelOutput, ...]:
        """The body is over."""
        ...


class ServerStatistics(msgspec.Struct, frozen=True):
    """Calls now: those that are `running`, and those `waiting` for a place (`models.providers[].concurrency`)."""

    running: int
    waiting: int


class Server:
    """One model server. Made by `open_server`; safe to use from any number of tasks."""

    def __init__(
        self,
        transport: TrioTransport,
        headers: httpx2.Headers,
        provider: ModelProvider,
        settings: Models,
        *,
        failures: Failures,
        source: random.Random,
    ) -> None:
        self.failures = failures
        self.provider = provider
        self.settings = settings
        self._transport = transport
        self._headers = headers
        self._random = source
        self._base = provider.url.rstrip("/")
        self._known: dict[tuple[object, ...], Asked] = {}
        self.connect_seconds = provider.connect_timeout_seconds or settings.connect_timeout_seconds
        self.first_seconds = provider.first_token_timeout_seconds or settings.first_token_timeout_seconds
        self.idle_seconds = provider.idle_timeout_seconds or settings.idle_timeout_seconds
        self._places = trio.Semaphore(provider.concurrency) if provider.concurrency else None
        self._running = 0
        self._waiting = 0

    @property
    def name(self) -> str:
        return self.provider.name

    def statistics(self) -> ServerStatistics:
        return ServerStatistics(self._running, self._waiting)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        content: bytes,
        reader: Reader,
        *,
        model: str,
        headers: Mapping[str, str],
        waits: Waits | None = None,
    ) -> AsyncGenerator[ModelStream]:
        """Post a request whose answer streams, once there is a place for it. Leaving closes the connection.

        `waits` is told when there is none, and when there is one again.

        Silence is bounded by the first-token time-out, from when there was a place, then by the idle time-out.
        """
        queued = await self._take_place(waits)
        self._running += 1
        try:
            deadline = trio.current_time() + self.first_seconds
            response = await self._begin(path, content, headers, deadline)
            try:
                if response.status_code != 200:
                    raise await self._refusal(response, model)
                yield _Answer(self, response.body, reader, deadline, queued)
            finally:
                await response.aclose()
        finally:
            self._running -= 1
            if self._places is not None:
                self._places.release()

    async def _take_place(self, waits: Waits | None) -> float:
        """Wait for a place, in order; returns how long that took. Cancelled, no place is taken."""
        if self._places is None:
            return 0.0
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            pass
        else:
            return 0.0
        since = trio.current_time()
        self._waiting += 1
        try:
            if waits is not None:
                await waits(True)
            await self._places.acquire()
        finally:
            self._waiting -= 1
        queued = trio.current_time() - since
        if waits is not None:
            try:
                await waits(False)
            except BaseException:
                self._places.release()
                raise
        return queued

    async def _begin(self, path: str, content: bytes, headers: Mapping[str, str], deadline: float) -> Answered:
        with trio.CancelScope(deadline=deadline):
            return await self._open("POST", path, content, headers)
        raise self.failures.too_slow(self.first_seconds)

    async def ask(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        headers: Mapping[str, str],
        model: str = "",
        seconds: float | None = None,
    ) -> bytes:
        """A request with one answer, whole. Raises `ModelError`, also when it takes longer than `seconds`."""
        with trio.move_on_after(self.idle_seconds if seconds is None else seconds):
            response = await self._open(method, path, content, headers)
            try:
                if response.status_code != 200:
                    raise await self._refusal(response, model)
                return await self._whole(response)
            except httpx2.HTTPError as error:
                raise self.failures.broken(error, self.connect_seconds) from error
            finally:
                await response.aclose()
        raise self.failures.silent()

    async def listing(self, path: str, headers: Mapping[str, str]) -> bytes:
        """The list of models, b"" where the server has no such list and the owner has written one. `ModelError` else.

        Without a list of the owner's, a server that has none is more likely one whose address is wrong.
        """
        try:
            return await self.ask("GET", path, headers=headers)
        except ModelError as error:
            written = any(model.provider == self.name for model in self.settings.available)
            if error.status in _NO_SUCH_LIST and written:
                return b""
            raise

    async def _whole(self, response: Answered) -> bytes:
        """The body. Raises `ModelError` when it is larger than `models.answer_bytes`."""
        most, body = self.settings.answer_bytes, bytearray()
        async for piece in response.body:
            body += piece
            if len(body) > most:
                raise self.failures.too_large(most)
        return bytes(body)

    def decode[T](self, body: bytes, kind: type[T]) -> T:
        """JSON of the server's. Raises `ModelError` when it is another kind of server."""
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.failures.another_kind() from error

    async def _open(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Answered:
        """Send a request; returns with the head of the answer. Tries again only while the connection is refused."""
        asked = self._asked(method, path, headers)
        tries = 0
        while True:
            try:
                return await self._transport.ask(asked, content)
            except httpx2.ConnectError as error:
                tries += 1
                if tries >= self.settings.connect_tries or not refused(error):
                    raise self.failures.unreachable(error) from error
            except httpx2.HTTPError as error:
                raise self.failures.broken(error, self.connect_seconds) from error
            await trio.sleep(retry_pause(tries, self.settings.connect_retry_seconds, self._random))

    def _asked(self, method: str, path: str, headers: Mapping[str, str]) -> Asked:
        """The request, without its body. Made once: a server is asked for the same few things."""
        key = (method, path, *headers.items())
        asked = self._known.get(key)
        if asked is None:
            if len(self._known) >= _KNOWN_REQUESTS:  # what is in the headers may come from a request
                self._known.clear()
            url = httpx2.URL(self._base + path)
            merged = httpx2.Headers(self._headers)
            merged.update(headers)
            content = None if method == "GET" else b"{}"  # any: its length is told with each request
            request = httpx2.Request(method, url, content=content, headers=merged)
            if url.userinfo:
                name, _, password = url.userinfo.partition(b":")
                pair = b64encode(b"%b:%b" % (unquote_to_bytes(name), unquote_to_bytes(password))).decode()
                request.headers["authorization"] = f"Basic {pair}"
            asked = self._known[key] = Asked(request, self.connect_seconds)
        return asked

    async def _refusal(self, response: Answered, model: str) -> ModelError:
        """What a status other than 200 means; its body as far as it comes in time and is small."""
        body = b""
        with trio.move_on_after(self.connect_seconds):
            try:
                async for part in response.body:
                    body += part
                    if len(body) > _ERROR_BODY_BYTES:
                        break
            except httpx2.HTTPError:
                pass  # the status alone says enough
        return self.failures.refusal(response.status_code, decoded(body), response.headers, model)

    async def read(self, body: Body, deadline: float) -> bytes | None:
        """The next piece of an answer, b"" at its end, None when it did not come until `deadline`."""
        with trio.CancelScope(deadline=deadline):
            try:
                return await anext(body, b"")
            except httpx2.HTTPError as error:
                raise self.failures.broken(error, self.connect_seconds) from error
        return None


class _Answer:
    """The items of one answer, in the batches in which they arrived."""

    def __init__(self, server: Server, body: Body, reader: Reader, deadline: float, queued: float) -> None:
        self._server = server
        self._body = body
        self._reader = reader
        self._first = True
        self._deadline = deadline
        self._queued = queued

    def __aiter__(self) -> _Answer:
        return self

    async def __anext__(self) -> tuple[ModelOutput, ...]:
        reader, server = self._reader, self._server
        if not self._first:
            self._deadline = trio.current_time() + server.idle_seconds
        while True:
            if reader.failure is not None:
                raise reader.failure
            if reader.done:
                if not self._body.complete:
                    with trio.move_on_after(_DRAIN_SECONDS), suppress(httpx2.HTTPError):  # the answer is whole anyway
                        await anext(self._body, b"")
                raise StopAsyncIteration
            data = await server.read(self._body, self._deadline)
            if data is None:
                failures = server.failures
                raise failures.too_slow(server.first_seconds) if self._first else failures.stalled(server.idle_seconds)
            outputs = reader.receive(data) if data else reader.end()
            if outputs:
                self._first = False
                return self._told(outputs) if reader.done else outputs
            if reader.progress:
                self._first = False
                self._deadline = trio.current_time() + server.idle_seconds

    def _told(self, outputs: tuple[ModelOutput, ...]) -> tuple[ModelOutput, ...]:
        """With how long the call waited for its place."""
        last = outputs[-1]
        if not self._queued or not isinstance(last, ModelDone):
            return outputs
        return (*outputs[:-1], msgspec.structs.replace(last, queue_duration=self._queued))


@asynccontextmanager
async def open_server(
    provider: ModelProvider,
    settings: Models,
    *,
    kind: str,
    source: random.Random,
    connect: Connect = trio.open_tcp_stream,
) -> AsyncGenerator[Server]:
    """A model server with one pool of connections; they are closed on leaving. `kind` is what it is: `an … server`.

    `source` is for the jitter of retries. Raises `ValueError` when the address is not one.
    """
    parsed = httpx2.URL(provider.url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        text = "is not the address of a model server; it should look like http://localhost:11434"
        raise ValueError(f"{shown(provider.url)!r} {text}")
    transport = TrioTransport(
        connections=settings.connections,
        keep_alive_seconds=settings.keep_alive_seconds,
        connect=connect,
        tls=httpx2.create_ssl_context() if parsed.scheme == "https" else None,
    )
    headers = httpx2.Headers(
        {
            "user-agent": f"thane/{__version__}",
            "content-type": "application/json",
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "keep-alive",
        }
    )
    headers.update(provider.headers)
    secrets = (provider.api_key, *provider.headers.values(), parsed.password or "")
    failures = Failures(provider.name, shown(provider.url), kind, secrets)
    async with transport:
        yield Server(transport, headers, provider, settings, failures=failures, source=source)
