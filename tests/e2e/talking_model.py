"""A model server whose answers differ and which knows when it was hung up on; a relay that knows when a client left.

Both run in threads of the test, over plain sockets, and note their times by `time.time()`: so "the model call ended
within 50 ms of the stop" is measured between two sockets, and not told by the program under test.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

MODEL = "talker"
LONG = "long"
"""A question with this word in it is answered in 400 pieces, 20 a second."""
BREAK = "shatter"
"""A question with this word in it is answered with status 500."""

_TASKS = {
    "Generate a concise": {"title": "Evenings"},
    "Generate 1-3 broad tags": {"tags": ["Evening"]},
    "Suggest 3-5 relevant follow-up": {"follow_ups": ["And then?"]},
    "Predict 3-5 useful messages": {"follow_ups": ["And then?"]},
}


@dataclass
class Asked:
    """One chat request. `hung_up_at` is when the client closed before the answer was complete."""

    body: dict[str, Any]
    at: float
    answer: str = ""
    hung_up_at: float | None = None

    @property
    def question(self) -> str:
        """What the user said last, without what Thane puts behind it."""
        said = next(each["content"] for each in reversed(self.body["messages"]) if each["role"] == "user")
        return said.partition("\n\n[Circumstances")[0]

    @property
    def is_task(self) -> bool:
        return self.question.startswith("### Task")


@dataclass
class TalkingModel:
    """What was asked, and what to answer next: `script` holds message objects of Ollama's for coming requests."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    script: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def turns(self) -> list[Asked]:
        """Requests that are no housekeeping."""
        return [asked for asked in self.asked if not asked.is_task]

    def pieces(self, asked: Asked) -> Sequence[str]:
        """What is said to this request, never the same twice, as a model's answers are not."""
        if asked.is_task:
            task = asked.question.removeprefix("### Task:\n")
            return [json.dumps(next((made for words, made in _TASKS.items() if task.startswith(words)), {}))]
        if isinstance(asked.body.get("format"), dict):  # as small models do, with words and fences around it
            return ["Here you are:\n```json\n", '{"colour": "blue", "count": 3}', "\n```"]
        number = len(self.turns)
        if LONG in asked.question:
            return [f"Story {number}:", *(f" word{place}" for place in range(400))]
        return [f"Answer {number}", " to ", asked.question.splitlines()[0][:60], "."]


@contextmanager
def talking_model() -> Generator[TalkingModel]:
    """A running one."""
    model = TalkingModel()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            tags = {"models": [{"name": MODEL, "model": MODEL, "size": 1, "digest": "0", "details": {}}]}
            self._whole({"version": "0.9.0"} if self.path == "/api/version" else tags)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if self.path != "/api/chat":
                self._whole({"capabilities": ["completion", "tools"], "model_info": {}, "details": {}})
                return
            asked = Asked(body, time.time())
            with model.lock:
                model.asked.append(asked)
                scripted = model.script.pop(0) if model.script and not asked.is_task else None
                pieces = () if scripted else model.pieces(asked)
            if BREAK in asked.question:
                self._whole({"error": "the model runner has stopped"}, 500)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            messages = [scripted] if scripted else [{"role": "assistant", "content": piece} for piece in pieces]
            for message in messages:
                asked.answer += message.get("content", "")
                self._line({"model": MODEL, "created_at": "2026-11-28T00:00:00Z", "message": message, "done": False})
                if LONG in asked.question and not asked.is_task and self._left(0.05):
                    asked.hung_up_at = time.time()
                    self.close_connection = True
                    return
            end = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": len(messages)}
            self._line({"model": MODEL, "created_at": "2026-11-28T00:00:00Z", "message": {"role": "assistant"}} | end)
            self.wfile.write(b"0\r\n\r\n")

        def _left(self, seconds: float) -> bool:
            """Whether the client closes within so many seconds."""
            ready, _, _ = select.select([self.connection], [], [], seconds)
            with suppress(OSError):
                return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)
            return True

        def _line(self, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode() + b"\n"
            with suppress(OSError):
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        def _whole(self, value: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Relay:
    """Passes bytes on, but while it is broken. `left_at` has the time of each end that a client has made of its
    connection."""

    url: str = ""
    left_at: list[float] = field(default_factory=list[float])
    is_broken: bool = False
    clients: list[socket.socket] = field(default_factory=list[socket.socket])

    @contextmanager
    def broken(self) -> Generator[None]:
        """Cut every connection, and take no new one until the end."""
        self.is_broken = True
        while self.clients:
            with suppress(OSError):
                self.clients.pop().shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self.is_broken = False


@contextmanager
def relay(to: str) -> Generator[Relay]:
    """A relay before the server at the URL `to`."""
    host, _, port = to.removeprefix("http://").rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    made = Relay(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def pump(source: socket.socket, target: socket.socket, ended: set[bool], *, is_client: bool) -> None:
        with source:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            if is_client and not ended:  # it left before the server was done with it
                made.left_at.append(time.time())
            ended.add(is_client)
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if made.is_broken:
                client.close()
                continue
            try:
                server = socket.create_connection((host, int(port)))
            except OSError:  # the program has ended before its clients
                client.close()
                continue
            made.clients.append(client)
            ended = set[bool]()
            for source, target, is_client in ((client, server, True), (server, client, False)):
                kwargs = {"is_client": is_client}
                threading.Thread(target=pump, args=(source, target, ended), kwargs=kwargs, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield made
    finally:
        listener.close()
