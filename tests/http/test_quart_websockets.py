"""The application class, served for real: WebSockets."""

from __future__ import annotations

import pytest
import structlog
import trio
from quart import request, websocket
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.http.apps import error_of
from thane.errors import ClientError
from thane.http.quart_app import ThaneApp
from thane.testing.serving import serving

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


def rooms(app: ThaneApp) -> None:
    @app.websocket("/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/crash")
    async def crash() -> None:
        await websocket.receive()
        raise RuntimeError("a bug")

    @app.websocket("/crash-before")
    async def crash_before() -> None:
        raise RuntimeError("a bug")

    @app.websocket("/refuse")
    async def refuse() -> None:
        raise ClientError("no filter of that name", code="unknown_filter")

    @app.websocket("/refuse-late")
    async def refuse_late() -> None:
        await websocket.receive()
        raise ClientError("no")

    @app.websocket("/leave")
    async def leave() -> None:
        await websocket.accept()

    @app.websocket("/close")
    async def close() -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")


async def test_websocket_messages_keep_their_kind(app: ThaneApp, autojump_clock: MockClock) -> None:
    rooms(app)
    async with serving(app) as served, await served.connect() as raw, trio.open_nursery() as nursery:
        client = await wrap_client_stream(nursery, raw.stream, "localhost", "/echo")
        for message in ("text", "", b"bytes", b""):
            await client.send_message(message)
            assert message == await client.get_message()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("path", "code", "lines"),
    [
        ("/crash", 1011, ["request handler failed"]),
        ("/refuse-late", 1008, []),
        ("/leave", 1000, []),
        ("/close", 4000, []),
    ],
)
async def test_a_websocket_closes_with_a_code_that_says_why(
    app: ThaneApp, autojump_clock: MockClock, path: str, code: int, lines: list[str]
) -> None:
    rooms(app)
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served, await served.connect() as raw, trio.open_nursery() as nursery:
            client = await wrap_client_stream(nursery, raw.stream, "localhost", path)
            with pytest.raises(ConnectionClosed) as caught:
                await client.send_message("x")
                await client.get_message()
            assert caught.value.reason
            assert code == caught.value.reason.code
            nursery.cancel_scope.cancel()
    assert lines == [line["event"] for line in logs]


@pytest.mark.parametrize(("path", "status"), [("/refuse", 400), ("/crash-before", 500), ("/nowhere", 404)])
async def test_a_websocket_that_is_not_accepted_is_told_why(
    app: ThaneApp, autojump_clock: MockClock, path: str, status: int
) -> None:
    rooms(app)
    async with serving(app) as served:
        answer = await served.ask("GET", path, b"", *UPGRADE)
        assert status == answer.status
        if path == "/refuse":
            assert "unknown_filter" == error_of(answer)["code"]
        assert 0 == served.statistics().failed


async def test_a_handler_for_missing_pages_is_not_asked_about_websockets(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    @app.errorhandler(404)
    async def page(error: Exception) -> tuple[str, int]:
        return f"no page {request.path}", 404

    async with serving(app) as served:
        assert b"no page /nowhere" == (await served.ask("GET", "/nowhere")).body
        answer = await served.ask("GET", "/nowhere", b"", *UPGRADE)
        assert (404, "unknown_path") == (answer.status, error_of(answer)["code"])
