"""Starting, draining and the border between connections."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from thane.config.settings import Limits
from thane.http.connection import Connection
from thane.http.listeners import bind
from thane.http.server import Server, serve
from thane.http.site import Receive, Scope, Send
from thane.testing.serving import request, serving

HEADERS = [(b"content-type", b"text/plain")]


async def app(scope: Scope, receive: Receive, send: Send, /) -> None:
    """`/plain` at once, `/stream?N` one piece a second, `/flood` without end, `/tidy` tidies up when cancelled."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    if scope["path"] == "/stream":
        for number in range(int(scope["query_string"])):
            await trio.sleep(1)
            await send({"type": "http.response.body", "body": b"piece %d\n" % number, "more_body": True})
    while scope["path"] == "/flood":
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
    if scope["path"] == "/tidy":
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 0.5):
                await trio.sleep_forever()
    await send({"type": "http.response.body", "body": b"plain"})


async def test_a_drain_without_requests_ends_at_once(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=60) as served, await served.connect() as idle, await served.connect():
        assert 200 == (await idle.ask("GET", "/plain")).status
        started = trio.current_time()
        served.drain.set()
        assert b"" == await idle.read_all()
        await served.stopped.wait()
        assert trio.current_time() == started


async def test_a_drain_in_the_moment_of_a_connection_ends_too(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=60) as served, await served.connect():
        served.drain.set()
        await served.stopped.wait()
        assert 0 == served.statistics().failed


async def test_a_drain_lets_requests_finish_and_refuses_new_connections(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=60) as served, await served.connect() as client:
        started = trio.current_time()
        await client.send(request("GET", "/stream?5"))
        await trio.sleep(1.5)
        served.drain.set()
        await trio.sleep(0.1)
        with pytest.raises(OSError, match="refused"):
            await served.connect()
        assert (await client.answer()).body.count(b"piece") == 5
        await served.stopped.wait()
        assert 5 <= trio.current_time() - started < 5.5


async def test_a_drain_cancels_what_is_left_after_the_grace(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=3) as served, await served.connect() as client:
        await client.send(request("GET", "/stream?100"))
        await client.read_until(b"piece 0")
        started = trio.current_time()
        served.drain.set()
        await served.stopped.wait()
        assert 3 <= trio.current_time() - started < 3.1
        assert not (await client.read_all()).endswith(b"0\r\n\r\n")


async def test_a_drain_does_not_wait_for_a_client_that_does_not_read(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=3) as served, await served.connect(receive_buffer=4096) as client:
        await client.send(request("GET", "/flood"))
        await trio.sleep(1)
        started = trio.current_time()
        served.drain.set()
        await served.stopped.wait()
        assert 3 <= trio.current_time() - started < 3.1


async def test_a_cancelled_handler_may_tidy_up(autojump_clock: MockClock) -> None:
    async with serving(app, grace_seconds=3) as served, await served.connect() as client:
        await client.send(request("GET", "/tidy"))
        await trio.sleep(1)
        started = trio.current_time()
        served.drain.set()
        await served.stopped.wait()
        assert 3.5 == pytest.approx(trio.current_time() - started)


async def test_cancelling_the_server_ends_everything_at_once(autojump_clock: MockClock) -> None:
    (sock,) = bind("", 0)
    with sock, trio.socket.socket() as client:
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[Server]) -> None:
                await serve(app, [sock], limits=Limits(), drain=trio.Event(), grace_seconds=60, task_status=task_status)

            await nursery.start(run)
            await client.connect(sock.getsockname())
            await client.send(request("GET", "/flood"))
            await trio.sleep(1)
            started = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() == started


async def test_no_more_connections_are_accepted_than_allowed(autojump_clock: MockClock) -> None:
    async with serving(app, limits=Limits(connections=2)) as served:
        first, second, third = [await served.connect() for _ in range(3)]
        for client in (first, second, third):
            await client.send(request("GET", "/stream?2"))
        await trio.sleep(1.5)
        assert 2 == served.statistics().open
        first.close()
        assert 2 == (await third.answer()).body.count(b"piece")
        second.close()
        third.close()


async def test_the_connection_idle_for_longest_makes_room(autojump_clock: MockClock) -> None:
    async with serving(app, limits=Limits(connections=2)) as served:
        oldest, newer = [await served.connect() for _ in range(2)]
        for client in (oldest, newer):
            await client.ask("GET", "/plain")
        async with await served.connect() as client:
            assert 200 == (await client.ask("GET", "/plain")).status
        assert b"" == await oldest.read_all(1)
        assert 200 == (await newer.ask("GET", "/plain")).status
        oldest.close()
        newer.close()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a bug"),
        ExceptionGroup("two", [ValueError("one"), KeyError("other")]),
    ],
)
async def test_an_error_in_the_code_of_a_connection_ends_that_connection_only(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run: Callable[..., Any] = Connection.run
    fail = [True]

    async def break_once(self: Connection, *arguments: Any) -> None:
        if fail.pop() if fail else False:
            raise error
        await run(self, *arguments)

    monkeypatch.setattr(Connection, "run", break_once)
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served:
            async with await served.connect() as client:
                assert b"" == await client.read_all()
            assert 200 == (await served.ask("GET", "/plain")).status
            assert 1 == served.statistics().failed
    assert ["connection failed"] == [line["event"] for line in logs if line["log_level"] == "error"]


async def test_an_error_beside_a_cancellation_does_not_swallow_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail_when_cancelled(self: Connection, *arguments: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise RuntimeError("a bug")

    monkeypatch.setattr(Connection, "run", fail_when_cancelled)
    async with serving(app) as served, await served.connect():
        await trio.sleep(1)
        served.drain.set()
        await served.stopped.wait()
        assert 1 == served.statistics().failed


class OutOfHandsError(BaseException):
    """Stands for what must end the program, such as KeyboardInterrupt."""


@pytest.mark.parametrize("error", [OutOfHandsError(), BaseExceptionGroup("", [OutOfHandsError(), ValueError()])])
async def test_what_must_end_the_program_ends_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    async def fail(self: Connection, *arguments: Any) -> None:
        raise error

    monkeypatch.setattr(Connection, "run", fail)
    with pytest.RaisesGroup(OutOfHandsError, flatten_subgroups=True):
        async with serving(app) as served, await served.connect():
            await trio.sleep(1)


async def test_a_listener_that_broke_is_not_asked_for_ever(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any) -> Any:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with socket.socket() as plain:
        monkeypatch.setattr(type(trio.socket.from_stdlib_socket(plain)), "accept", broken)
    with pytest.RaisesGroup(OSError, flatten_subgroups=True):
        async with serving(app):
            await trio.sleep(1)


async def test_accepting_goes_on_after_the_machine_ran_out_of_descriptors(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [OSError(24, "Too many open files"), ConnectionAbortedError(103, "gone")]
    with socket.socket() as plain:
        kind = type(trio.socket.from_stdlib_socket(plain))
    accept: Callable[..., Any] = kind.accept

    async def accept_later(self: Any) -> Any:
        if errors:
            raise errors.pop()
        return await accept(self)

    monkeypatch.setattr(kind, "accept", accept_later)
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served:
            assert 200 == (await served.ask("GET", "/plain")).status
    assert ["cannot accept connections"] == [line["event"] for line in logs if line["log_level"] == "error"]


async def test_accepted_connections_are_watched_by_the_kernel(autojump_clock: MockClock) -> None:
    (sock,) = bind("", 0)
    with sock:
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[Server]) -> None:
                limits = Limits(write_timeout_seconds=7)
                await serve(app, [sock], limits=limits, drain=trio.Event(), grace_seconds=0, task_status=task_status)

            await nursery.start(run)
            assert 7000 == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert 1 == sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            nursery.cancel_scope.cancel()


async def test_statistics_count_connections_and_requests(autojump_clock: MockClock) -> None:
    async with serving(app) as served, await served.connect() as client:
        await client.ask("GET", "/plain")
        await client.ask("GET", "/plain")
        found = served.statistics()
        assert (1, 1, 1, 2, 0) == (found.accepted, found.open, found.idle, found.requests, found.failed)
