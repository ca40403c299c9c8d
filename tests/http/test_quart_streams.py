"""The application class, served for real: answers that come in pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import structlog
import trio
from quart import Response
from quart.wrappers.base import ClientDisconnectedError
from trio.testing import MockClock

from thane.errors import ClientError
from thane.http.quart_app import ThaneApp, stream
from thane.http.site import ASGIMessage, Receive, Scope, Send
from thane.testing.serving import request as raw_request
from thane.testing.serving import serving


class Pieces:
    """A generator of pieces that says how it went."""

    def __init__(self, *pieces: bytes, wait: float = 1, error: Exception | None = None) -> None:
        self.started = False
        self.closed = trio.Event()
        self._pieces = pieces
        self._wait = wait
        self._error = error

    async def run(self) -> AsyncGenerator[bytes]:
        self.started = True
        try:
            for piece in self._pieces:
                await trio.sleep(self._wait)
                yield piece
            if self._error:
                raise self._error
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.sleep(0.01)
            self.closed.set()


def streaming(app: ThaneApp, pieces: Pieces, *, wait_for_first: bool = True) -> None:
    @app.route("/", methods=["GET", "POST"])
    async def answer() -> Response:
        return await stream(
            pieces.run(), content_type="text/plain", headers={"X-Own": "yes"}, wait_for_first=wait_for_first
        )


async def test_a_stream_begins_with_its_first_piece(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one", b"two"))
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("POST", "/", b"{}"))
        first = await client.stream.receive_some(65_536)
        assert 1 == trio.current_time()
        assert first.endswith(b"3\r\none\r\n")
        assert b"x-own: yes\r\n" in first
        assert b"3\r\ntwo\r\n" == await client.stream.receive_some(65_536)
        assert b"0\r\n\r\n" == await client.stream.receive_some(65_536)
    assert pieces.closed.is_set()


async def test_a_stream_may_begin_before_its_first_piece(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(b"one"), wait_for_first=False)
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("GET", "/"))
        assert (await client.read_until(b"\r\n\r\n")).endswith(b"\r\n\r\n")
        assert 0 == trio.current_time()
        assert b"3\r\none\r\n" == await client.stream.receive_some(65_536)


async def test_what_goes_wrong_before_the_first_piece_has_a_status(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(error=ClientError("no", status=409)))
    async with serving(app) as served:
        assert 409 == (await served.ask("GET", "/")).status


async def test_an_empty_stream_is_an_answer(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces())
    async with serving(app) as served:
        assert (200, b"") == ((answer := await served.ask("GET", "/")).status, answer.body)


async def test_what_goes_wrong_later_cuts_the_stream_off(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one", error=RuntimeError("a bug")))
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served, await served.connect() as client:
            await client.send(raw_request("GET", "/"))
            assert (await client.read_all()).endswith(b"one\r\n")
    assert pieces.closed.is_set()
    assert ["request handler failed"] == [line["event"] for line in logs]


@pytest.mark.parametrize("seconds", [0.5, 1.5], ids=["before the first piece", "after it"])
async def test_a_client_that_hangs_up_closes_the_generator(
    app: ThaneApp, autojump_clock: MockClock, seconds: float
) -> None:
    streaming(app, pieces := Pieces(b"one", b"two", b"three"))
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("POST", "/", b"{}"))
        await trio.sleep(seconds)
        client.close()
        with trio.fail_after(0.05):
            await pieces.closed.wait()


async def test_head_does_not_run_the_generator(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one"))
    async with serving(app) as served, await served.connect() as client:
        answer = await client.ask("HEAD", "/")
        assert (200, "yes", b"") == (answer.status, answer.headers["x-own"], answer.body)
        assert not pieces.started
        assert b"one" == (await client.ask("GET", "/")).body


async def test_head_does_not_run_a_generator_that_quart_was_given(app: ThaneApp, autojump_clock: MockClock) -> None:
    pieces = Pieces(b"one")

    @app.get("/")
    async def answer() -> Response:
        return Response(pieces.run())

    async with serving(app) as served:
        assert 200 == (await served.ask("HEAD", "/")).status
    assert not pieces.started


async def test_a_generator_that_is_not_used_up_is_closed_all_the_same(autojump_clock: MockClock) -> None:
    pieces = Pieces(b"one", b"two")
    kept = pieces.run()
    async with (await stream(kept, content_type="text/plain")).response as body:
        async for piece in body:
            assert b"one" == piece
            break
    assert pieces.closed.is_set()


async def test_a_generator_is_closed_when_the_client_is_gone_before_the_head(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    pieces = Pieces(b"one", b"two")
    kept = pieces.run()

    @app.get("/")
    async def answer() -> Response:
        return await stream(kept, content_type="text/plain")

    async def door(scope: Scope, receive: Receive, send: Send, /) -> None:
        async def fail(message: ASGIMessage) -> None:
            raise ClientDisconnectedError

        await app(scope, receive, send if scope["type"] == "lifespan" else fail)

    async with serving(door) as served:
        await served.ask("GET", "/")
    assert pieces.closed.is_set()


async def test_a_stream_has_no_end_of_its_own(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(b"one", b"two", wait=3600))
    async with serving(app) as served:
        assert b"onetwo" == (await served.ask("GET", "/")).body
