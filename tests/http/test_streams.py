"""WebSockets, from the handshake to whoever closes first; and what is recorded of requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from thane.config.settings import Limits
from thane.http.site import Receive, Scope, Send
from thane.testing.serving import Served, request, serving

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
MASK = b"\0\0\0\0"


class Room:
    """A WebSocket application. Messages are orders: `echo …`, `crash`, `leave`, `wait`; everything else is kept."""

    def __init__(self) -> None:
        self.heard: list[str | bytes | None] = []
        self.ended = trio.Event()
        self.cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "websocket":
            return
        try:
            await self._serve(scope["path"], receive, send)
        except trio.Cancelled:
            self.cancelled = True
            raise
        finally:
            self.ended.set()

    async def _serve(self, path: str, receive: Receive, send: Send) -> None:
        assert "websocket.connect" == (await receive())["type"]
        if path == "/late":
            await trio.sleep(1)
        if path == "/closed":
            await send({"type": "websocket.close"})
            return
        if path == "/refused":
            await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"not you"})
            return
        await send({"type": "websocket.accept"})
        if path == "/flood":
            while True:
                await send({"type": "websocket.send", "text": "x" * 1000})
        while True:
            message = await receive()
            text = message.get("text")
            if text == "crash":
                raise RuntimeError("a bug")
            if text == "leave":
                await send({"type": "websocket.close", "code": 1000})
                return
            if text == "wait":
                await trio.sleep(3600)
            if text is not None and text.startswith("echo "):
                await send({"type": "websocket.send", "text": text[5:]})
            else:
                self.heard.append(message.get("bytes") if text is None else text)


@asynccontextmanager
async def entered(
    room: Room, path: str = "/", limits: Limits | None = None
) -> AsyncGenerator[tuple[Served, WebSocketConnection]]:
    async with (
        serving(room, limits=limits or Limits()) as served,
        await served.connect() as raw,
        trio.open_nursery() as nursery,
    ):
        yield served, await wrap_client_stream(nursery, raw.stream, "localhost", path)
        nursery.cancel_scope.cancel()


async def closing(client: WebSocketConnection) -> tuple[int | None, str | None]:
    """Code and reason with which the server closes."""
    with pytest.raises(ConnectionClosed):
        await client.get_message()
    assert client.closed
    return client.closed.code, client.closed.reason


async def test_messages_go_both_ways(autojump_clock: MockClock) -> None:
    room = Room()
    async with entered(room) as (_, client):
        await client.send_message("echo hello")
        assert "hello" == await client.get_message()
        await client.send_message(b"\0\1")
        await client.send_message(b"")
        await client.send_message("echo again")
        assert "again" == await client.get_message()
        assert [b"\0\1", b""] == room.heard


async def test_a_client_that_closes_cancels_its_handler_and_nothing_is_logged(autojump_clock: MockClock) -> None:
    room = Room()
    with structlog.testing.capture_logs() as logs:
        async with entered(room) as (served, client):
            await client.send_message("wait")
            await client.aclose()
            await room.ended.wait()
            assert room.cancelled
        assert 0 == served.statistics().failed
    assert [] == logs


async def test_a_client_that_vanishes_cancels_its_handler() -> None:
    room = Room()
    async with serving(room) as served, await served.connect() as client:
        await client.send(request("GET", "/flood", b"", *UPGRADE))
        await client.read_until(b"xxx")
        client.close()
        with trio.fail_after(1):
            await room.ended.wait()
        assert room.cancelled


async def test_a_handler_that_fails_closes_with_1011_and_is_logged_once(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with entered(Room()) as (served, client):
            await client.send_message("crash")
            assert 1011 == (await closing(client))[0]
        assert 0 == served.statistics().failed
    assert ["request handler failed"] == [line["event"] for line in logs]


async def test_a_handler_that_leaves_closes_with_1000(autojump_clock: MockClock) -> None:
    async with entered(Room()) as (_, client):
        await client.send_message("leave")
        assert 1000 == (await closing(client))[0]


async def test_a_drain_closes_with_1012(autojump_clock: MockClock) -> None:
    room = Room()
    async with entered(room) as (served, client):
        served.drain.set()
        assert (1012, "service restart") == await closing(client)
        assert room.cancelled


async def test_a_message_that_is_too_long_closes_with_1009(autojump_clock: MockClock) -> None:
    room = Room()
    async with entered(room, limits=Limits(websocket_message_bytes=1000)) as (_, client):
        await client.send_message("ü" * 500)
        await client.send_message("echo ok")
        await client.get_message()
        await client.send_message("ü" * 501)
        assert 1009 == (await closing(client))[0]
        assert ["ü" * 500] == room.heard


async def test_a_message_in_fragments_is_put_together_and_counted_as_one(autojump_clock: MockClock) -> None:
    room = Room()
    parts = b"\x01\x83" + MASK + b"one", b"\x00\x83" + MASK + b"two", b"\x80\x85" + MASK + b"three"
    async with serving(room, limits=Limits(websocket_message_bytes=11)) as served, await served.connect() as client:
        await client.send(request("GET", "/", b"", *UPGRADE))
        await client.read_until(b"\r\n\r\n")
        await client.send(b"".join(parts))
        await trio.sleep(0.1)
        assert ["onetwothree"] == room.heard
        await client.send(b"".join((*parts[:2], b"\x80\x86" + MASK + b"three!")))
        assert (await client.read_all()).startswith(b"\x88")
        assert ["onetwothree"] == room.heard


async def test_fragments_of_nothing_take_no_memory_and_let_others_have_their_turn(autojump_clock: MockClock) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    room = Room()
    async with serving(room) as served, await served.connect() as client, trio.open_nursery() as nursery:
        await client.send(request("GET", "/", b"", *UPGRADE))
        await client.read_until(b"\r\n\r\n")
        await client.send(b"\x01\x81" + MASK + b"x")
        nursery.start_soon(take_turns)
        await client.send((b"\x00\x80" + MASK) * 5000)
        await client.send(b"\x80\x81" + MASK + b"y\x81\x86" + MASK + b"echo z")
        assert (await client.read_until(b"z")).endswith(b"z")
        assert ["xy"] == room.heard
        assert turns >= 5000 // 16
        nursery.cancel_scope.cancel()


async def test_messages_wait_in_a_bounded_queue_and_slow_the_client_down(autojump_clock: MockClock) -> None:
    room = Room()
    limits = Limits(websocket_queue_messages=2, websocket_message_bytes=200_000)
    async with entered(room, limits=limits) as (_, client):
        await client.send_message("wait")
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            for _ in range(1000):
                await client.send_message("x" * 100_000)


async def test_a_queue_that_stays_full_closes_with_1008(autojump_clock: MockClock) -> None:
    room = Room()
    limits = Limits(websocket_queue_messages=2, body_timeout_seconds=5)
    async with entered(room, limits=limits) as (_, client):
        started = trio.current_time()
        await client.send_message("wait")
        for _ in range(5):
            await client.send_message("x")
        assert 1008 == (await closing(client))[0]
        assert 5 == pytest.approx(trio.current_time() - started, abs=0.1)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1\x81" + MASK + b"x",
        b"\x83\x80" + MASK,
        b"\x81\x01x",
        b"\x81\x81" + MASK + b"\xff",
        b"\x88\x81" + MASK + b"x",
        b"\x80\x81" + MASK + b"x",
        b"\x89\xfe\0\x7e" + MASK + b"x" * 126,
    ],
    ids=["reserved bit", "opcode", "no mask", "no text", "bad close", "continues nothing", "long ping"],
)
async def test_a_bad_frame_closes_this_connection_only(autojump_clock: MockClock, frame: bytes) -> None:
    async with serving(Room()) as served, await served.connect() as client:
        await client.send(request("GET", "/", b"", *UPGRADE))
        await client.read_until(b"\r\n\r\n")
        await client.send(frame)
        assert (await client.read_all()).startswith(b"\x88")
        assert 0 == served.statistics().failed


async def test_a_ping_is_answered_while_the_handler_is_busy(autojump_clock: MockClock) -> None:
    async with entered(Room()) as (_, client):
        await client.send_message("wait")
        with trio.fail_after(1):
            await client.ping()


async def test_the_server_pings_so_that_a_vanished_client_is_noticed(autojump_clock: MockClock) -> None:
    async with serving(Room(), limits=Limits(websocket_ping_seconds=5)) as served, await served.connect() as client:
        await client.send(request("GET", "/", b"", *UPGRADE))
        await client.read_until(b"\r\n\r\n")
        started = trio.current_time()
        assert b"\x89\0" == await client.stream.receive_some(100)
        assert 5 == trio.current_time() - started


async def test_pings_end_with_the_websocket(autojump_clock: MockClock) -> None:
    async with entered(Room()) as (served, client):
        await client.aclose()
        started = trio.current_time()
        await served.wait_empty()
        assert trio.current_time() - started < Limits().websocket_ping_seconds / 2


async def test_frames_sent_before_the_handler_accepts_wait_for_it(autojump_clock: MockClock) -> None:
    async with serving(Room()) as served, await served.connect() as client:
        await client.send(request("GET", "/late", b"", *UPGRADE) + b"\x81\x87" + MASK + b"echo ab")
        answer = await client.read_until(b"\x81\x02ab")
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert answer.endswith(b"\x81\x02ab")


async def test_a_client_that_is_gone_before_it_is_accepted_cancels_the_handler(autojump_clock: MockClock) -> None:
    room = Room()
    async with serving(room) as served, await served.connect() as client:
        await client.send(request("GET", "/late", b"", *UPGRADE) + b"\x81\x81" + MASK + b"x")
        await trio.sleep(0.1)
        client.close()
        with trio.fail_after(0.1):
            await room.ended.wait()
        assert room.cancelled


async def test_compression_is_not_agreed_to(autojump_clock: MockClock) -> None:
    async with serving(Room()) as served, await served.connect() as client:
        await client.send(request("GET", "/", b"", *UPGRADE, "Sec-WebSocket-Extensions: permessage-deflate"))
        assert b"extensions" not in (await client.read_until(b"\r\n\r\n")).lower()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((*UPGRADE[:3], "Sec-WebSocket-Version: 12"), 400),
        ((*UPGRADE[:2], UPGRADE[3]), 400),
        ((*UPGRADE, "Sec-WebSocket-Protocol: \xff"), 400),
        ((*UPGRADE, "Content-Length: 5"), 400),
        ((*UPGRADE, "Transfer-Encoding: chunked"), 400),
    ],
    ids=["version", "no key", "protocol is not ASCII", "body", "chunked body"],
)
async def test_a_bad_handshake_is_refused(autojump_clock: MockClock, headers: tuple[str, ...], status: int) -> None:
    async with serving(Room()) as served, await served.connect() as client:
        await client.send(request("GET", "/", b"", *headers))
        assert (await client.read_all()).startswith(f"HTTP/1.1 {status} ".encode())
        assert 0 == served.statistics().failed


@pytest.mark.parametrize(("path", "status"), [("/closed", 403), ("/refused", 403)])
async def test_a_handler_may_refuse_the_handshake(autojump_clock: MockClock, path: str, status: int) -> None:
    async with serving(Room()) as served:
        async with await served.connect() as client:
            await client.send(request("GET", path, b"", *UPGRADE))
            assert (await client.read_all()).startswith(f"HTTP/1.1 {status} ".encode())
        assert [("WEBSOCKET", path, status)] == [(each.method, each.path, each.status) for each in served.records]


async def test_a_client_that_does_not_read_is_given_up(autojump_clock: MockClock) -> None:
    room = Room()
    limits = Limits(write_timeout_seconds=3)
    async with serving(room, limits=limits) as served, await served.connect(receive_buffer=4096) as client:
        await client.send(request("GET", "/flood", b"", *UPGRADE))
        with trio.fail_after(10):
            await room.ended.wait()
        assert room.cancelled


async def test_each_request_is_recorded_once_without_its_query(autojump_clock: MockClock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http":
            await trio.sleep(2)
            await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"3")]})
            await send({"type": "http.response.body", "body": b"abc"})

    async with serving(app) as served:
        await served.ask("GET", "/path?key=secret")
        (record,) = served.records
        assert ("GET", "/path", 201, 3) == (record.method, record.path, record.status, record.bytes_sent)
        assert 2 == record.duration_seconds
        assert record.request_id.startswith("r_")


async def test_a_handler_that_answers_nothing_gives_500(autojump_clock: MockClock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http" and scope["path"] == "/crash":
            raise RuntimeError("a bug")

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served:
            answers = [await served.ask("GET", path) for path in ("/nothing", "/crash")]
            assert [500, 500] == [answer.status for answer in answers]
            assert [500, 500] == [record.status for record in served.records]
            assert [record.request_id for record in served.records] == [a.headers["x-request-id"] for a in answers]
    assert ["request handler failed"] == [line["event"] for line in logs]


async def test_an_answer_longer_than_announced_is_cut_off(autojump_clock: MockClock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
            await send({"type": "http.response.body", "body": b"four"})

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served, await served.connect() as client:
            await client.send(request("GET", "/"))
            assert b"" == await client.read_all()
            assert 0 == served.statistics().failed
    assert ["request handler failed"] == [line["event"] for line in logs]


async def test_a_stream_that_fails_in_the_middle_is_cut_off(autojump_clock: MockClock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            raise RuntimeError("a bug")

    async with serving(app) as served, await served.connect() as client:
        await client.send(request("GET", "/"))
        assert (await client.read_all()).endswith(b"3\r\none\r\n")
        assert 0 == served.statistics().failed
