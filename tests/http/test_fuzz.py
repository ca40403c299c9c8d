"""Random damage to requests and WebSocket frames: the server answers the next client, and no connection failed.

`THANE_FUZZ_CASES=20000 just test tests/http/test_fuzz.py` runs more of it; `THANE_FUZZ_SEED` changes which.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator

import structlog
import trio
from quart import Blueprint, Response, request, websocket

from thane.clock import SystemClock
from thane.config.settings import Limits, Settings
from thane.events.event import NoEvents
from thane.http.body import read_json
from thane.http.guard import guarded
from thane.http.problems import ollama_problem
from thane.http.quart_app import ThaneApp, stream
from thane.testing.serving import RawClient, Served, serving
from thane.testing.serving import request as build

CASES = int(os.environ.get("THANE_FUZZ_CASES", "400"))
SEED = int(os.environ.get("THANE_FUZZ_SEED", "1"))
LIMITS = Limits(body_bytes=10_000, websocket_message_bytes=1000, linger_seconds=0.01)

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%b\r\n"
)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
SEEDS = [
    build("GET", "/plain"),
    build("GET", "/plain") * 3,
    build("HEAD", "/stream"),
    build("GET", "/stream"),
    build("POST", "/json", b'{"a":[1,2,{"b":null}]}'),
    build("POST", "/json", b"[" * 900),
    build("POST", "/json", b"", "Transfer-Encoding: chunked") + b"3\r\n{}\n\r\n0\r\n\r\n",
    build("POST", "/json", b"", "Transfer-Encoding: chunked") + b"zz\r\n",
    build("POST", "/json", b"", "Expect: 100-continue", "Content-Length: 5"),
    build("POST", "/json", b"", "Content-Length: 99999999"),
    build("POST", "/plain", b"x" * 9000),
    build("POST", "/form", b"a=%ff&b=c", "Content-Type: application/x-www-form-urlencoded"),
    build("POST", "/form", b"--x\r\n\r\n", "Content-Type: multipart/form-data; boundary=x"),
    build("OPTIONS", "/plain", b"", "Origin: http://localhost:3000", "Access-Control-Request-Method: POST"),
    build("GET", "/%ff%fe%00?%ff=%fe"),
    build("GET", "//plain"),
    build("GET", "/plain/"),
    build("GET", "ws://localhost/plain"),
    build("CONNECT", "a:1"),
    build("GET", "http://["),
    build("GET", "/plain", b"", "Cookie: \xff=\xfe; a", "Content-Type: \xff;\xfe", "Accept: \0"),
    b"GET /plain HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a:b:c\r\n\r\n",
    b"GET /plain HTTP/1.1\r\nHost: localhost\r\n" + H2C + b"AAMAAABkAAQAAP__\r\n\r\n",
    b"GET /plain HTTP/1.1\r\nHost: localhost\r\n"
    + H2C
    + b"?\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84",
    HANDSHAKE % b"",
    HANDSHAKE % b"" + b"\x81\x81\0\0\0\0a\x81\x84\0\0\0\0boom",
    HANDSHAKE % b"" + b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b",
    HANDSHAKE % b"" + b"\x88\x80\0\0\0\0",
    HANDSHAKE % b"" + b"\x88\x82\0\0\0\0\x03\xe8",
    HANDSHAKE % b"" + b"\x88\x81\0\0\0\0a",
    HANDSHAKE % b"" + b"\xc1\x81\0\0\0\0\xff",
    HANDSHAKE % b"" + b"\x82\xfe\x07\xd0\0\0\0\0" + b"x" * 2000,
    HANDSHAKE % b"" + b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x",
    HANDSHAKE % b"Sec-WebSocket-Protocol: \xff\r\n",
    HANDSHAKE % b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99\r\n" + b"\xc1\x81\0\0\0\0a",
    HANDSHAKE % b"Origin: http://\xff\r\n",
    HANDSHAKE % b"Content-Length: 5\r\n" + b"abcde",
    (HANDSHAKE % b"").replace(b"Version: 13", b"Version: 12"),
    (HANDSHAKE % b"").replace(b"HTTP/1.1", b"HTTP/1.0"),
]
INSERTS = [b"\r\n", b"\0", b"\xff", b": ", b" ", b"%", b"HTTP/2.0", b"\r\n\r\n", b"Content-Length: 7\r\n"]


def make_app() -> ThaneApp:
    app = ThaneApp("fuzz", limits=LIMITS, problems=ollama_problem)
    routes = Blueprint("fuzz", __name__)

    @routes.route("/plain", methods=["GET", "POST"])
    async def plain() -> str:
        return "plain"

    @routes.get("/stream")
    async def pieces() -> Response:
        async def numbers() -> AsyncGenerator[bytes]:
            for number in range(20):
                yield b"%d\n" % number
                await trio.lowlevel.checkpoint()

        return await stream(numbers(), content_type="text/plain")

    @routes.post("/json")
    async def json() -> dict[str, str]:
        raw = await request.body
        return {"read": repr(read_json(raw, limits=LIMITS, tolerant=True))}

    @routes.post("/form")
    async def form() -> dict[str, list[str]]:
        return {"read": list(await request.form)}

    @routes.websocket("/ws")
    async def room() -> None:
        while True:
            message = await websocket.receive()
            if message == "boom":
                raise RuntimeError("told to")
            await websocket.send(message)

    app.register_blueprint(routes)
    return app


def damage(data: bytes, source: random.Random) -> bytes:
    """A few bytes changed, removed or put in between."""
    damaged = bytearray(data)
    for _ in range(source.randrange(1, 6)):
        place = source.randrange(len(damaged) + 1)
        match source.randrange(3):
            case 0:
                damaged[place : place + 1] = source.randbytes(1)
            case 1:
                del damaged[place : place + source.randrange(1, 8)]
            case _:
                damaged[place:place] = source.choice([*INSERTS, source.randbytes(1)])
    return bytes(damaged)


async def try_case(served: Served, data: bytes, source: random.Random) -> None:
    """Send it whole or in two parts, then read on, close or reset."""
    client = await served.connect()
    try:
        with trio.move_on_after(0.05):
            cut = source.randrange(len(data) + 1) if source.random() < 0.3 else len(data)
            await client.send(data[:cut])
            if cut < len(data):
                await trio.lowlevel.checkpoint()
                await client.send(data[cut:])
            if source.random() < 0.5:
                await client.read_all(0.003)
    except (trio.BrokenResourceError, ConnectionError):
        pass
    source.choice([RawClient.close, RawClient.reset])(client)


async def test_no_bytes_of_a_client_break_the_server() -> None:
    source = random.Random(SEED)
    cases = SEEDS + [damage(source.choice(SEEDS), source) for _ in range(CASES)]
    app = guarded(make_app(), Settings(limits=LIMITS), NoEvents(), listener="ollama", clock=SystemClock())
    with structlog.testing.capture_logs() as logs:
        async with serving(app, limits=LIMITS) as served:
            for number, data in enumerate(cases):
                await try_case(served, data, source)
                if number % 50 == 0:
                    assert 200 == (await served.ask("GET", "/plain")).status
            assert 200 == (await served.ask("GET", "/plain")).status
            await served.wait_empty()
            assert 0 == served.statistics().failed
    unexpected = [line for line in logs if line["log_level"] == "error" and "told to" not in repr(line["exc_info"])]
    assert [] == unexpected
