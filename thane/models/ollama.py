"""The provider for an Ollama model server, or anything that speaks its `/api/chat`.

It streams what the server says and fails in plain sentences; which model answers, and whether a turn is tried again, is
decided elsewhere. The only retry here is of a connection that was refused: nothing had been sent.
"""

from __future__ import annotations

import errno
import random
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import msgspec
import trio

from thane import __version__
from thane.backoff import retry_pause
from thane.config import settings as config
from thane.ids import Ids
from thane.models import embeddings
from thane.models.embeddings import Embeddings, EmbedRequest
from thane.models.http import Body, Connect, TrioTransport, body_of
from thane.models.provider import ModelError, ModelInfo, ModelOutput, ModelRequest, ModelStream
from thane.models.stream import AnswerReader, encode_request, said

_DRAIN_SECONDS = (
    0.005  # after the last line, for the end of the HTTP body: it saves the connection for the next request
)
_ERROR_BODY_BYTES = 65_536
_HEADERS = {"content-type": "application/json", "accept": "application/x-ndjson", "accept-encoding": "identity"}


class _Details(msgspec.Struct):
    context_length: int | None = None


class _Entry(msgspec.Struct):
    name: str = ""
    model: str = ""
    digest: str = ""
    details: _Details | None = None
    capabilities: list[str] | None = None


class _Tags(msgspec.Struct):
    models: list[_Entry] | None = None


class _Shown(msgspec.Struct):
    model_info: dict[str, Any] | None = None
    capabilities: list[str] | None = None


class OllamaProvider:
    """One model server. Made by `open_ollama`; safe to use from any number of tasks."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        settings: config.Models,
        *,
        ids: Ids,
        source: random.Random,
        name: str,
    ) -> None:
        self._client = client
        self._settings = settings
        self._ids = ids
        self._random = source
        self._name = name
        parsed = httpx2.URL(url)
        self._base = str(parsed).rstrip("/")
        self._chat_url = httpx2.URL(f"{self._base}/api/chat")
        self._place = str(parsed.copy_with(userinfo=b"")).rstrip("/")  # for people: without a password
        self._shown: dict[tuple[str, str], _Shown] = {}

    @property
    def name(self) -> str:
        return self._name

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        """See `Provider.stream`. `models.first_token_timeout_seconds` and `idle_timeout_seconds` bound its silence."""
        deadline = trio.current_time() + self._settings.first_token_timeout_seconds
        response = await self._begin(encode_request(request), deadline)
        try:
            if response.status_code != 200:
                raise await self._refusal(response, request.model)
            reader = AnswerReader(self._ids, dependency=self._name, line_bytes=self._settings.answer_line_bytes)
            yield _Answer(self, body_of(response), reader, deadline)
        finally:
            await response.aclose()

    async def _begin(self, content: bytes, deadline: float) -> httpx2.Response:
        with trio.CancelScope(deadline=deadline):
            return await self._open("POST", self._chat_url, content)
        raise self._too_slow()

    async def models(self) -> tuple[ModelInfo, ...]:
        """See `Provider.models`. Asks `/api/tags`, and once for each model that it tells little of, `/api/show`."""
        body = await self._ask("GET", "/api/tags", b"")
        entries = self._decode(body, _Tags).models or []
        return tuple([await self._describe(entry) for entry in entries if entry.name or entry.model])

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """See `Embedder.embed`. `models.first_token_timeout_seconds` bounds it: the model may have to be loaded."""
        seconds = self._settings.first_token_timeout_seconds
        path, content = embeddings.path_of(request), embeddings.encode(request)
        body = await self._ask("POST", path, content, model=request.model, seconds=seconds)
        try:
            return embeddings.decode(body, request)
        except msgspec.DecodeError as error:
            raise self.error("The model server sent something that is no embedding.", temporary=False) from error

    async def _describe(self, entry: _Entry) -> ModelInfo:
        name = entry.model or entry.name
        context = entry.details.context_length if entry.details else None
        capabilities = entry.capabilities
        if not context or capabilities is None:
            shown = await self._show(name, entry.digest)
            context = context or _context_length(shown)
            capabilities = capabilities if capabilities is not None else shown.capabilities
        return ModelInfo(
            name,
            self._name,
            context_tokens=context or 0,
            supports_tools=capabilities is None or "tools" in capabilities,  # not told: the server will say
            supports_thinking="thinking" in (capabilities or ()),
            supports_images="vision" in (capabilities or ()),
        )

    async def _show(self, name: str, digest: str) -> _Shown:
        key = (name, digest)
        if key not in self._shown:
            try:
                body = await self._ask("POST", "/api/show", msgspec.json.encode({"model": name}))
                self._shown[key] = self._decode(body, _Shown)
            except ModelError as error:
                if error.status is None:
                    raise
                return _Shown()  # gone meanwhile, or a server that has no /api/show
        return self._shown[key]

    async def _ask(
        self, method: str, path: str, content: bytes, *, model: str = "", seconds: float | None = None
    ) -> bytes:
        """A request with one answer, whole. Raises `ModelError`, also when it takes longer than `seconds`."""
        with trio.move_on_after(self._settings.idle_timeout_seconds if seconds is None else seconds):
            response = await self._open(method, httpx2.URL(self._base + path), content)
            try:
                if response.status_code != 200:
                    raise await self._refusal(response, model)
                return await self._whole(response)
            except httpx2.HTTPError as error:
                raise self._broken(error) from error
            finally:
                await response.aclose()
        raise self.error(f"The model server at {self._place} does not answer.")

    async def _whole(self, response: httpx2.Response) -> bytes:
        """The body. Raises `ModelError` when it is larger than `models.answer_bytes`."""
        most, body = self._settings.answer_bytes, bytearray()
        async for piece in body_of(response):
            body += piece
            if len(body) > most:
                text = f"The model server at {self._place} sent more than {most} bytes (models.answer_bytes)."
                raise self.error(text, temporary=False)
        return bytes(body)

    def _decode[T](self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise self.error(f"What answers at {self._place} is not an Ollama server.", temporary=False) from error

    async def _open(self, method: str, url: httpx2.URL, content: bytes) -> httpx2.Response:
        """Send a request; returns with the head of the answer. Tries again only while the connection is refused."""
        tries = 0
        while True:
            request = self._client.build_request(method, url, content=content, headers=_HEADERS)
            try:
                return await self._client.send(request, stream=True)
            except httpx2.ConnectError as error:
                tries += 1
                if tries >= self._settings.connect_tries or not _refused(error):
                    raise self._unreachable(error) from error
            except httpx2.HTTPError as error:
                raise self._broken(error) from error
            await trio.sleep(retry_pause(tries, self._settings.connect_retry_seconds, self._random))

    async def _refusal(self, response: httpx2.Response, model: str) -> ModelError:
        """What a status other than 200 means, in a sentence."""
        status = response.status_code
        words = said(await self._error_body(response))
        temporary = status in (408, 425, 429) or status >= 500
        if status == 404 and model:
            text = f"The model server does not have the model “{model}”{words}."
        elif status in (401, 403):
            text = f"The model server at {self._place} refuses access (HTTP {status}){words}."
        elif status in (429, 503):
            text = f"The model server is busy (HTTP {status}){words}."
        elif status >= 500:
            text = f"The model server failed (HTTP {status}){words}."
        else:
            text = f"The model server does not accept the request (HTTP {status}){words}."
        return self.error(text, temporary=temporary, status=status)

    async def _error_body(self, response: httpx2.Response) -> object:
        """The `error` of an error body, as far as it comes in time and is one."""
        body = b""
        with trio.move_on_after(self._settings.connect_timeout_seconds):
            try:
                async for part in body_of(response):
                    body += part
                    if len(body) > _ERROR_BODY_BYTES:
                        break
            except httpx2.HTTPError:
                pass  # the status alone says enough
        try:
            return msgspec.json.decode(body, type=dict[str, Any]).get("error")
        except msgspec.DecodeError:
            return None

    def _unreachable(self, error: httpx2.ConnectError) -> ModelError:
        cause = error.__cause__
        if _refused(error):
            return self.error(f"No model server answers at {self._place}: the connection was refused. Is it running?")
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = f"The certificate of the model server at {self._place} is not trusted: {cause.verify_message}."
            return self.error(text, temporary=False)
        if isinstance(cause, socket.gaierror):
            return self.error(f"The host of the model server at {self._place} cannot be found.")
        return self.error(f"The model server at {self._place} cannot be reached.")

    def _broken(self, error: httpx2.HTTPError) -> ModelError:
        if isinstance(error, httpx2.ConnectTimeout):
            seconds = self._settings.connect_timeout_seconds
            return self.error(f"The model server at {self._place} did not accept a connection within {seconds:g} s.")
        if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
            return self.error("The model server closed the connection before its answer was complete.")
        return self.error(f"The model server at {self._place} cannot be used.", temporary=False)

    def _too_slow(self) -> ModelError:
        return self.error(f"The model gave no answer within {self._settings.first_token_timeout_seconds:g} s.")

    def error(self, message: str, *, temporary: bool = True, status: int | None = None) -> ModelError:
        return ModelError(message, dependency=self._name, temporary=temporary, status=status)

    async def read(self, body: Body, deadline: float | None) -> bytes:
        """The next piece of an answer, b"" at its end. Without a `deadline` the idle time-out counts from now."""
        idle = self._settings.idle_timeout_seconds
        with trio.CancelScope(deadline=trio.current_time() + idle if deadline is None else deadline):
            try:
                return await anext(body, b"")
            except httpx2.HTTPError as error:
                raise self._broken(error) from error
        if deadline is not None:
            raise self._too_slow()
        raise self.error(f"The model stopped in the middle of its answer: nothing came for {idle:g} s.")


class _Answer:
    """The items of one answer, in the batches in which they arrived."""

    def __init__(self, provider: OllamaProvider, body: Body, reader: AnswerReader, deadline: float) -> None:
        self._provider = provider
        self._body = body
        self._reader = reader
        self._deadline: float | None = deadline  # for the first piece

    def __aiter__(self) -> _Answer:
        return self

    async def __anext__(self) -> tuple[ModelOutput, ...]:
        reader = self._reader
        while True:
            if reader.failure is not None:
                raise reader.failure
            if reader.done:
                with trio.move_on_after(_DRAIN_SECONDS), suppress(httpx2.HTTPError):  # the answer is whole anyway
                    await anext(self._body, b"")
                raise StopAsyncIteration
            data = await self._provider.read(self._body, self._deadline)
            self._deadline = None
            outputs = reader.receive(data) if data else reader.end()
            if outputs:
                return outputs


def _refused(error: httpx2.ConnectError) -> bool:
    """Whether every address refused: nothing listens there."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:
        return cause.errno == errno.ECONNREFUSED
    group = cause.__cause__ if cause is not None else None  # how trio tells of several addresses
    if not isinstance(group, BaseExceptionGroup):
        return False
    return all(isinstance(each, ConnectionRefusedError) for each in group.exceptions)


def _context_length(shown: _Shown) -> int | None:
    for key, value in (shown.model_info or {}).items():
        if key.endswith(".context_length") and isinstance(value, int):
            return value
    return None


@asynccontextmanager
async def open_ollama(
    url: str,
    settings: config.Models,
    ids: Ids,
    *,
    source: random.Random,
    name: str = "ollama",
    connect: Connect = trio.open_tcp_stream,
) -> AsyncGenerator[OllamaProvider]:
    """A provider for the Ollama server at `url`, with one pool of connections; they are closed on leaving.

    `source` is for the jitter of retries. Raises `ValueError` when the address is not one.
    """
    parsed = httpx2.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is not the address of a model server; it should look like http://localhost:11434")
    transport = TrioTransport(
        connections=settings.connections,
        keep_alive_seconds=settings.keep_alive_seconds,
        connect=connect,
        tls=httpx2.create_ssl_context() if parsed.scheme == "https" else None,
    )
    timeout = httpx2.Timeout(None, connect=settings.connect_timeout_seconds)
    headers = {"user-agent": f"thane/{__version__}"}
    async with httpx2.AsyncClient(transport=transport, timeout=timeout, headers=headers, trust_env=False) as client:
        yield OllamaProvider(client, url, settings, ids=ids, source=source, name=name)
