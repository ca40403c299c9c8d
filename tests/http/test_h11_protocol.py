"""Framing: what leaves for what comes, byte by byte."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from thane.config.settings import Limits
from thane.http.site import Receive, Scope, Send
from thane.testing.serving import request, serving

JSON = [(b"content-type", b"application/json")]


async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
    """Answers by path: /plain with a length, /stream in three pieces, /echo with the length of the body."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": JSON})
        for piece in (b"one ", b"two ", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await trio.sleep(0.01)
        await send({"type": "http.response.body"})
        return
    body = b"plain"
    if path == "/echo":
        message = {"more_body": True, "body": b""}
        body = b""
        while message["more_body"]:
            message = dict(await receive())
            body += message["body"]
    elif path == "/host":
        body = next((value for name, value in scope["headers"] if name == b"host"), b"none")
    elif path == "/slow":
        await trio.sleep(1)
    headers = [*JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_a_connection_serves_one_request_after_the_other(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        answers = [await client.ask("GET", "/plain") for _ in range(3)]
        assert [b"plain"] * 3 == [answer.body for answer in answers]
        assert served.statistics().accepted == 1


async def test_head_and_body_of_known_length_leave_in_one_write(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(request("GET", "/plain"))
        first = await client.stream.receive_some(65_536)
        assert first.startswith(b"HTTP/1.1 200 OK\r\n")
        assert first.endswith(b"\r\n\r\nplain")


async def test_each_piece_of_a_stream_is_one_chunk_and_one_write(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(request("GET", "/stream"))
        pieces = [bytes(await client.stream.receive_some(65_536)) for _ in range(4)]
        assert pieces[0].endswith(b"\r\n\r\n4\r\none \r\n")
        assert [b"4\r\ntwo \r\n", b"5\r\nthree\r\n", b"0\r\n\r\n"] == pieces[1:]


async def test_pipelined_requests_are_answered_in_order(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(request("GET", "/slow") + request("POST", "/echo", b"abc") + request("GET", "/stream"))
        assert [b"plain", b"abc", b"one two three"] == [(await client.answer()).body for _ in range(3)]


async def test_connection_close_is_obeyed_at_once(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        for path, end in (("/plain", b"plain"), ("/stream", b"0\r\n\r\n")):
            async with await served.connect() as client:
                started = trio.current_time()
                await client.send(request("GET", path, b"", "Connection: close"))
                assert (await client.read_all()).endswith(end)
                assert trio.current_time() - started < 0.1


async def test_http_1_0_gets_no_chunks_and_the_connection_is_closed(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(b"GET /stream HTTP/1.0\r\n\r\n")
        answer = await client.read_all()
        assert answer.endswith(b"\r\n\r\none two three")
        assert b"chunked" not in answer


async def test_a_head_request_is_answered_without_a_body(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        assert b"" == (await client.ask("HEAD", "/plain")).body
        assert b"" == (await client.ask("HEAD", "/stream")).body
        assert b"plain" == (await client.ask("GET", "/plain")).body


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked_when_the_handler_wants_it(
    autojump_clock: MockClock,
) -> None:
    expect = request("POST", "/echo", b"", "Expect: 100-continue", "Content-Length: 3")
    async with serving(app) as served, await served.connect() as client:
        await client.send(expect)
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == await client.read_until(b"\r\n\r\n")
        await client.send(b"abc")
        assert b"abc" == (await client.answer()).body


async def test_a_client_whose_body_nobody_wants_is_not_asked_for_it(autojump_clock: MockClock) -> None:
    unwanted = request("POST", "/plain", b"", "Expect: 100-continue", "Content-Length: 3")
    async with serving(app) as served, await served.connect() as client:
        await client.send(unwanted)
        assert (await client.read_all()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_http2_is_not_reachable(autojump_clock: MockClock) -> None:
    upgrade = request(
        "GET", "/plain", b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"
    )
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    async with serving(app) as served:
        async with await served.connect() as client:
            await client.send(upgrade)
            assert b"plain" == (await client.answer()).body
        async with await served.connect() as client:
            await client.send(preface)
            assert (await client.read_all()).startswith(b"HTTP/1.1 505 ")
        assert served.statistics().failed == 0


@pytest.mark.parametrize(
    "target", ["*", "localhost:443", "http://", "http://[", "http://localhost@x/", "?x", "ftp://x/"]
)
async def test_a_request_target_that_is_no_path_is_refused(autojump_clock: MockClock, target: str) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(request("GET", target))
        assert (await client.read_all()).startswith(b"HTTP/1.1 400 ")


async def test_the_authority_of_an_absolute_target_counts_in_the_place_of_host(
    autojump_clock: MockClock,
) -> None:
    async with serving(app) as served, await served.connect() as client:
        assert b"evil.example:81" == (await client.ask("GET", "http://evil.example:81/host?x=1")).body
        await client.send(b"GET http://evil.example/host HTTP/1.0\r\n\r\n")
        assert b"evil.example" == (await client.answer()).body


async def test_methods_are_written_in_capitals(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(request("head", "/plain"))
        assert (await client.read_all()).startswith(b"HTTP/1.1 501 ")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    ],
)
async def test_what_is_no_http_is_answered_with_400(autojump_clock: MockClock, head: bytes) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.send(head)
        answer = await client.read_all()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert served.statistics().failed == 0
        (record,) = served.records
        assert f"\r\nx-request-id: {record.request_id}\r\n".encode() in answer.lower()
        assert answer.endswith(f"400 bad request (request {record.request_id})\n".encode())
        assert (400, True) == (record.status, bool(record.reason))


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2000 + b"\r\n\r\n",
        b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["part", "value", "target", "many"],
)
async def test_a_head_that_is_too_long_is_refused(autojump_clock: MockClock, head: bytes) -> None:
    async with serving(app, limits=Limits(header_bytes=1000)) as served, await served.connect() as client:
        await client.send(head)
        answer = await client.read_all()
        assert answer.startswith(b"HTTP/1.1 431 ")
        (record,) = served.records
        assert record.request_id.encode() in answer
        assert 431 == record.status


async def test_answers_during_a_drain_say_that_the_connection_ends(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=5) as served, await served.connect() as client:
        await client.send(request("GET", "/slow"))
        await trio.sleep(0.1)
        served.drain.set()
        assert "close" == (await client.answer()).headers["connection"]


async def test_an_answer_before_the_end_of_the_request_says_that_the_connection_ends(autojump_clock: MockClock) -> None:
    """A client that is not told would send its next request into a connection that is closed (RFC 9112, 9.3)."""
    whole = request("POST", "/plain", b"abc")
    async with serving(app) as served:
        async with await served.connect() as client:
            await client.send(whole[:-3])
            assert "close" == (await client.answer()).headers["connection"]
        async with await served.connect() as client:
            await client.send(whole)
            assert "connection" not in (await client.answer()).headers
            assert b"plain" == (await client.ask("GET", "/plain")).body
