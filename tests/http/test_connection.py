"""Who hangs up, who dawdles, who does not read: what the connection does about each."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from thane.config.settings import Limits
from thane.http.site import Receive, Scope, Send
from thane.testing.cancellation import run_cancelled_at
from thane.testing.serving import RawClient, Served, request, serving

HEADERS = [(b"content-type", b"text/plain")]


class Handler:
    """An application that says how it ended. Its path says what it does."""

    def __init__(self) -> None:
        self.started = trio.Event()
        self.ended = trio.Event()
        self.cancelled = False
        self.pieces = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http":
            return
        try:
            await getattr(self, scope["path"].removeprefix("/"))(receive, send)
        except trio.Cancelled:
            self.cancelled = True
            raise
        finally:
            self.ended.set()

    async def think(self, receive: Receive, send: Send) -> None:
        """Nothing is sent for a long time."""
        self.started.set()
        await trio.sleep(3600)

    async def sleep(self, receive: Receive, send: Send) -> None:
        """A stream that began, and then nothing."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.started.set()
        await trio.sleep(3600)

    async def flood(self, receive: Receive, send: Send) -> None:
        """A stream without an end and without a pause."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        self.started.set()
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            self.pieces += 1

    async def read(self, receive: Receive, send: Send) -> None:
        self.started.set()
        while (await receive()).get("more_body"):
            pass
        await self.plain(receive, send)

    async def ignore(self, receive: Receive, send: Send) -> None:
        """Answers without reading the body."""
        await self.plain(receive, send)

    async def brief(self, receive: Receive, send: Send) -> None:
        await trio.sleep(0.1)
        await self.plain(receive, send)

    async def late_stream(self, receive: Receive, send: Send) -> None:
        await trio.sleep(0.1)
        await self.sleep(receive, send)

    async def plain(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"plain"})


@pytest.mark.parametrize("path", ["/think", "/sleep", "/flood"])
@pytest.mark.parametrize("hang_up", [RawClient.close, RawClient.reset])
async def test_a_client_that_hangs_up_cancels_its_handler_at_once(
    path: str, hang_up: Callable[[RawClient], None]
) -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("POST", path, b"{}"))
        await handler.started.wait()
        if path == "/sleep":
            await client.read_until(b"first")
        started = trio.current_time()
        hang_up(client)
        await handler.ended.wait()
        assert handler.cancelled
        assert trio.current_time() - started < 0.05
        await served.wait_empty()
    assert served.statistics().failed == 0


async def test_a_client_that_hangs_up_while_it_sends_its_body_cancels_the_handler() -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("POST", "/read", b"", "Content-Length: 100") + b"abc")
        await handler.started.wait()
        client.close()
        await handler.ended.wait()
        assert handler.cancelled
    assert [0] == [record.status for record in served.records]


async def test_a_hang_up_is_seen_although_the_next_request_was_sent_already() -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("POST", "/think", b"{}") + request("GET", "/plain"))
        await handler.started.wait()
        client.close()
        await handler.ended.wait()
        assert handler.cancelled


async def test_a_get_is_answered_although_the_client_closed_its_sending_side(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served:
        for path in ("/plain", "/brief"):
            async with await served.connect() as client:
                await client.send(request("GET", path) + request("GET", path))
                await client.stream.send_eof()
                assert 2 == (await client.read_all()).count(b"\r\n\r\nplain")


async def test_a_stream_is_not_begun_for_a_client_that_closed_its_sending_side(autojump_clock: MockClock) -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("GET", "/late_stream"))
        await client.stream.send_eof()
        assert b"" == await client.read_all()
        assert handler.cancelled


async def test_a_post_is_not_answered_when_the_client_closed_its_sending_side(autojump_clock: MockClock) -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("POST", "/brief", b"{}"))
        await client.stream.send_eof()
        assert b"" == await client.read_all()
        assert handler.cancelled


async def test_a_get_that_takes_too_long_for_a_half_closed_connection_is_cancelled(autojump_clock: MockClock) -> None:
    handler = Handler()
    async with serving(handler, limits=Limits(write_timeout_seconds=3)) as served, await served.connect() as client:
        started = trio.current_time()
        await client.send(request("GET", "/think"))
        await client.stream.send_eof()
        await client.read_all()
        assert handler.cancelled
        assert 3 <= trio.current_time() - started < 3.1


@pytest.mark.parametrize(
    ("sent", "seconds", "answer"),
    [
        (b"", 10, b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 10, b"HTTP/1.1 408 "),
        (request("POST", "/read", b"", "Content-Length: 100") + b"abc", 30, b"HTTP/1.1 408 "),
        (request("GET", "/plain"), 75, b"HTTP/1.1 200 "),
    ],
    ids=["silent", "partial head", "partial body", "idle after an answer"],
)
async def test_a_client_that_sends_nothing_more_is_closed_in_time(
    autojump_clock: MockClock, sent: bytes, seconds: float, answer: bytes
) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        started = trio.current_time()
        await client.send(sent)
        assert (await client.read_all()).startswith(answer)
        assert abs(trio.current_time() - started - seconds) < 0.1


async def test_a_head_that_trickles_in_does_not_get_more_time(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        started = trio.current_time()
        await client.send(b"GET / HTTP/1.1\r\n")
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(100):
                await trio.sleep(1)
                await client.send(b"X: y\r\n")
        assert trio.current_time() - started < 15


async def test_the_time_for_a_later_head_begins_with_its_first_byte(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        await client.ask("GET", "/plain")
        await trio.sleep(70)
        started = trio.current_time()
        await client.send(b"GET /plain HTTP/1.1\r\n")
        assert (await client.read_all()).startswith(b"HTTP/1.1 408 ")
        assert 10 == pytest.approx(trio.current_time() - started)


async def test_a_body_that_keeps_coming_has_all_the_time(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        await client.send(request("POST", "/read", b"", "Content-Length: 5"))
        for _ in range(5):
            await trio.sleep(29)
            await client.send(b"x")
        assert 200 == (await client.answer()).status


async def test_a_handler_may_take_longer_than_the_time_for_a_body(autojump_clock: MockClock) -> None:
    handler = Handler()
    async with serving(handler) as served, await served.connect() as client:
        await client.send(request("POST", "/think", b"", "Content-Length: 3") + b"a")
        await handler.started.wait()
        await client.send(b"bc")
        with trio.move_on_after(3000):
            await handler.ended.wait()
        assert not handler.ended.is_set()


async def test_a_client_that_does_not_read_stops_its_stream_and_is_given_up(autojump_clock: MockClock) -> None:
    handler = Handler()
    limits = Limits(write_timeout_seconds=7)
    async with serving(handler, limits=limits) as served, await served.connect(receive_buffer=4096) as client:
        await client.send(request("POST", "/flood", b"{}"))
        await handler.started.wait()
        started = trio.current_time()
        await handler.ended.wait()
        assert handler.cancelled
        assert handler.pieces < 10_000
        assert 7 <= trio.current_time() - started < 7.5


async def test_a_connection_with_half_a_message_on_the_wire_is_not_used_again(autojump_clock: MockClock) -> None:
    async def impatient(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            with trio.move_on_after(1):
                await send({"type": "http.response.body", "body": b"x" * 10_000_000, "more_body": True})
            await send({"type": "http.response.body", "body": b"end"})

    async with serving(impatient) as served, await served.connect(receive_buffer=4096) as client:
        await client.send(request("POST", "/", b"{}"))
        await trio.sleep(2)
        assert not (await client.read_all()).endswith(b"0\r\n\r\n")
        await served.wait_empty()


async def test_a_client_that_reads_slowly_gets_everything(autojump_clock: MockClock) -> None:
    size = 3_000_000

    async def large(scope: Scope, receive: Receive, send: Send, /) -> None:
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * size})

    async with serving(large) as served, await served.connect(receive_buffer=4096) as client:
        await client.send(request("GET", "/"))
        left = size + len(await client.read_until(b"\r\n\r\n")) - 100_000
        while left > 0:
            left -= len(await client.stream.receive_some(65_536))
            await trio.sleep(0.05)


async def test_a_handler_that_only_sends_lets_others_have_their_turn(autojump_clock: MockClock) -> None:
    turns = [0]
    seen: list[int] = []

    async def talk(scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            seen.append(turns[0])
            for _ in range(160):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            seen.append(turns[0])

    async def take_turns() -> None:
        while True:
            turns[0] += 1
            await trio.lowlevel.checkpoint()

    async with serving(talk) as served, await served.connect() as client, trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        await client.send(request("GET", "/"))
        await client.read_all()
        nursery.cancel_scope.cancel()
    assert 9 <= seen[1] - seen[0] <= 11


async def test_an_answer_given_before_the_body_came_is_not_lost(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        await client.send(request("POST", "/ignore", b"", "Content-Length: 8000000"))
        for _ in range(100):
            await client.send(b"x" * 10_000)
        assert b"plain" == (await client.answer()).body


async def test_an_answer_may_come_while_the_body_waits_to_be_read(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        await client.send(request("POST", "/brief", b"", "Content-Length: 3000000") + b"x" * 3_000_000)
        assert b"plain" == (await client.answer()).body
        await served.wait_empty()
        assert 0 == served.statistics().failed


async def test_a_client_that_never_ends_its_side_is_closed_after_lingering(autojump_clock: MockClock) -> None:
    async with serving(Handler()) as served, await served.connect() as client:
        started = trio.current_time()
        await client.send(request("POST", "/ignore", b"", "Content-Length: 8"))
        await client.read_all()
        await served.wait_empty()
        assert abs(trio.current_time() - started - Limits().linger_seconds) < 0.2


async def test_whoever_cancels_a_connection_leaves_its_socket_closed() -> None:
    for step in itertools.count(1):
        handler = Handler()
        cancelled = False
        async with serving(handler) as served:
            client = await served.connect()

            async def work(served: Served = served, client: RawClient = client) -> None:
                answer = await client.ask("GET", "/plain")
                assert b"plain" == answer.body

            cancelled = await run_cancelled_at(step, work)
            client.close()
            await served.wait_empty()
            assert served.statistics().failed == 0
        if not cancelled:
            break
