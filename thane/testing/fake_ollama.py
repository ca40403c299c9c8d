"""A scripted Ollama server for tests and benchmarks: it says and breaks what it is told to, and records who asked.

In a test::

    from thane.testing.ollama_script import Cut, Reply, Say, answer

    async with open_fake_ollama() as fake:
        fake.script(answer("It is ", "on."), Reply((Say(("Half",)), Cut())))
        async with open_ollama(fake.url, settings, ids) as provider: ...
        assert fake.requests[0].body["model"] == "qwen3:4b"

`python -m thane.testing.fake_ollama --tokens 200` is the same server as a fast stand-in for benchmarks: lines are
encoded once and several leave in one write. It speaks HTTP/1.1 of its own, over any trio stream, one chunk a line as
Ollama does; it is not a model, and not hardened against hostile clients.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from thane.models.embeddings import normalised
from thane.testing.ollama_script import Plan, Reply, Say, Step, Stop, Wait, answer, compile_reply

type JSON = dict[str, Any]

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


class FakeModel(msgspec.Struct, frozen=True):
    """A model that `/api/tags` and `/api/show` tell of."""

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


class _HungUpError(Exception):
    """The client closed its side."""


class FakeOllama:
    """The server's state: scripts to play, and what was seen. `open_fake_ollama` makes one that listens."""

    def __init__(
        self,
        default: Reply | None = None,
        models: tuple[FakeModel, ...] = (FakeModel("qwen3:4b"),),
        *,
        record: bool = True,
    ) -> None:
        """Without `record`, `requests` and `connections` stay empty: a benchmark runs long."""
        self.default = default or answer("Hello", " there", ".")
        self.models = models
        self.url = ""
        self.port = 0
        self.pause = 0.0  # seconds of silence before the connection is closed, in the place of any answer but a chat's
        self.requests: list[Request] = []
        self._record = record
        self.connections: list[Connection] = []
        self._script: deque[Reply] = deque()
        self._changed = trio.Event()
        self._writes: dict[int, tuple[Reply, str, Plan]] = {}

    def script(self, *replies: Reply) -> None:
        """Replies to the next chat requests, in order; then `default` again."""
        self._script.extend(replies)

    @property
    def live(self) -> int:
        """Connections that are open now."""
        return sum(connection.closed_at is None for connection in self.connections)

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
        if self._record:
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
            request.body = msgspec.json.decode(body, type=Any if self._record else dict[str, msgspec.Raw])
        if self._record:
            self.requests.append(request)
            self._notice()
        if path == "/api/chat" and method == "POST":
            return await self._chat(request, reader, stream)
        if not self.pause:
            await stream.send_all(self._fixed(request))
            return True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, reader, nursery.cancel_scope)
            await trio.sleep(self.pause)
            nursery.cancel_scope.cancel()
        return False

    def _fixed(self, request: Request) -> bytes:
        match request.path:
            case "/":
                answer = _plain(200, b"Ollama is running", "text/plain; charset=utf-8")
            case "/api/version":
                answer = _json(200, {"version": "0.32.7"})
            case "/api/tags":
                answer = _json(200, {"models": [_tags_entry(model) for model in self.models]})
            case "/api/show":
                answer = self._shown(request.body.get("model") or request.body.get("name"))
            case "/api/generate":
                answer = self._loaded(request.body)
            case "/api/embed" | "/api/embeddings":
                answer = self._embedded(request.body, older=request.path == "/api/embeddings")
            case _:
                answer = _plain(404, b"404 page not found", "text/plain")
        return answer

    def _shown(self, name: str) -> bytes:
        for model in self.models:
            if model.name == name:
                return _json(200, _show_answer(model))
        return _json(404, {"error": f"model '{name}' not found"})

    def _loaded(self, body: JSON) -> bytes:
        """A model is loaded, or unloaded; one that says something is asked by `/api/chat` alone."""
        if body["model"] not in {model.name for model in self.models}:
            return _json(404, {"error": f"model '{body['model']}' not found"})
        reason = "unload" if body.get("keep_alive") == 0 else "load"
        return _json(200, {"model": body["model"], "response": "", "done": True, "done_reason": reason})

    def _embedded(self, body: JSON, *, older: bool) -> bytes:
        """The vectors of `vector_of`, by the newer path with length 1, as Ollama makes them."""
        model = next((each for each in self.models if each.name == body["model"]), None)
        if model is None:
            return _json(404, {"error": f'model "{body["model"]}" not found, try pulling it first'})
        if "embedding" not in model.capabilities:
            return _json(501, {"error": "this model does not support embeddings"})
        if older:
            return _json(200, {"embedding": vector_of(body["prompt"])})
        vectors = [normalised(vector_of(text)) for text in body["input"]]
        counts = {"total_duration": 2_000_000, "prompt_eval_count": 3}
        return _json(200, {"model": model.name, "embeddings": vectors} | counts)

    def reply_to(self, request: Request) -> Reply:
        """What a chat request gets. Overridden by a model that answers what it is asked."""
        del request
        return self._script.popleft() if self._script else self.default

    async def _chat(self, request: Request, reader: _Reader, stream: trio.abc.Stream) -> bool:
        reply = self.reply_to(request)
        if reply.status != 200:
            await stream.send_all(_json(reply.status, {"error": reply.error}))
            return True
        if reply.cut_before_head:
            return False
        model = request.body["model"]
        plan = self._plan(reply, msgspec.json.decode(model) if isinstance(model, msgspec.Raw) else model)
        if all(isinstance(part, bytes) for part in plan):  # nothing to wait for: no need of a watching task
            return await _play(plan, stream)
        kept = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, reader, nursery.cancel_scope)
            with suppress(trio.BrokenResourceError):
                kept = await _play(plan, stream)
            nursery.cancel_scope.cancel()
        return kept

    def _plan(self, reply: Reply, model: str) -> Plan:
        """What to write, how long to wait (float), where to cut (None); made once for each script."""
        known = self._writes.get(id(reply))
        if known is None or known[0] is not reply or known[1] != model:
            known = self._writes[id(reply)] = (reply, model, compile_reply(reply, model))
        return known[2]


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


async def _play(plan: Plan, stream: trio.abc.Stream) -> bool:
    due = trio.current_time()
    for part in plan:
        if part is None:
            return False
        if isinstance(part, float | int):
            due += part  # from when it was due, not from now: the pace does not drift
            await trio.sleep_until(due)
        else:
            await stream.send_all(part)
    return True


def vector_of(text: str) -> tuple[float, ...]:
    """What the server gives for a text: its length, its spaces, and 1."""
    return float(len(text)), float(text.count(" ")), 1.0


def _tags_entry(model: FakeModel) -> JSON:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": "2026-11-20T10:00:00.5+01:00",
        "size": 2_620_788_260,
        "digest": "e9" * 32,
        "details": {"format": "gguf", "family": "qwen3", "parameter_size": "4.0B", "quantization_level": "Q4_K_M"},
    }


def _show_answer(model: FakeModel) -> JSON:
    return {
        "details": {"family": "qwen3"},
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": model.context_tokens},
        "capabilities": list(model.capabilities),
    }


def _json(status: int, value: object) -> bytes:
    return _plain(status, msgspec.json.encode(value), "application/json; charset=utf-8")


def _plain(status: int, body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def open_fake_ollama(
    default: Reply | None = None,
    *,
    models: tuple[FakeModel, ...] = (FakeModel("qwen3:4b"),),
    port: int = 0,
    record: bool = True,
) -> AsyncGenerator[FakeOllama]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with open_server(FakeOllama(default, models, record=record), port) as fake:
        yield fake


@asynccontextmanager
async def open_server[Fake: FakeOllama](fake: Fake, port: int = 0) -> AsyncGenerator[Fake]:
    """Run this server, as `open_fake_ollama` does."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        fake.port = listeners[0].socket.getsockname()[1]
        fake.url = f"http://127.0.0.1:{fake.port}"
        await nursery.start(trio.serve_listeners, fake.serve, listeners)
        try:
            yield fake
        finally:
            nursery.cancel_scope.cancel()


async def _main(arguments: argparse.Namespace) -> None:
    pieces = tuple(f" tok{index % 1000}" for index in range(arguments.tokens))
    steps: list[Step] = [Wait(arguments.first)] if arguments.first else []
    stop = Stop(output_tokens=len(pieces), decode_seconds=arguments.interval * len(pieces))
    reply = Reply((*steps, Say(pieces, arguments.interval), stop), burst=arguments.burst)
    async with open_fake_ollama(reply, port=arguments.port, record=False) as fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


def main() -> None:
    """Serve until interrupted; the first line of standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m thane.testing.fake_ollama", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tokens", type=int, default=20, help="tokens in each answer")
    parser.add_argument("--interval", type=float, default=0.0, help="seconds between tokens; 0 is as fast as possible")
    parser.add_argument("--first", type=float, default=0.0, help="seconds before the first token")
    parser.add_argument("--burst", type=int, default=8, help="tokens in one write when there is no interval")
    with suppress(KeyboardInterrupt):  # how it is meant to end
        trio.run(_main, parser.parse_args())


if __name__ == "__main__":
    main()
