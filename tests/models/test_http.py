from __future__ import annotations

import itertools
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
import trio
import trio.testing
import trustme

from thane.models.http import TransportStatistics, TrioTransport
from thane.testing.cancellation import run_cancelled_at
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Cut, Reply, Say, Wait, answer

BODY = {"model": "m", "messages": []}


@asynccontextmanager
async def open_client(transport: TrioTransport) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(None, connect=1.0)) as client:
        yield client


def make(**changes: object) -> TrioTransport:
    return TrioTransport(**{"connections": 4, "keep_alive_seconds": 60.0, **changes})  # type: ignore[arg-type]  # numbers and a function


async def test_a_connection_is_used_again_after_a_whole_answer():
    transport = make()
    async with open_fake_ollama() as fake, open_client(transport) as client:
        for _ in range(3):
            response = await client.post(f"{fake.url}/api/chat", json=BODY)
            assert response.json is not None
            assert 200 == response.status_code
        assert TransportStatistics(busy=0, idle=1) == transport.statistics()
        assert 1 == len(fake.connections)
        assert (await client.get(f"{fake.url}/")).text == "Ollama is running"


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used():
    transport = make()
    async with open_client(transport) as client:
        async with open_fake_ollama() as fake:
            port = fake.port
            await client.get(f"{fake.url}/")
        async with open_fake_ollama(port=port) as fake:
            assert 200 == (await client.get(f"{fake.url}/")).status_code
            assert 1 == len(fake.requests)


async def test_a_kept_connection_that_has_spoken_unasked_is_not_used():
    goodbye = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await answered.wait()
        await stream.send_all(goodbye)
        said.set()
        await trio.sleep_forever()

    answered, said = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery, open_client(make()) as client:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        await client.get(url)
        answered.set()
        await said.wait()
        assert 200 == (await client.get(url)).status_code
        nursery.cancel_scope.cancel()


async def test_a_kept_connection_that_closes_unanswered_is_replaced_by_a_fresh_one():
    transport = make()
    async with open_fake_ollama() as fake, open_client(transport) as client:
        fake.script(answer("a"), Reply(cut_before_head=True), answer("b"))
        await client.post(f"{fake.url}/api/chat", json=BODY)
        response = await client.post(f"{fake.url}/api/chat", json=BODY)
        assert '"b"' in response.text
        assert [0, 0, 1] == [fake.connections.index(request.connection) for request in fake.requests]


async def test_a_fresh_connection_that_closes_unanswered_is_an_error():
    async with open_fake_ollama(Reply(cut_before_head=True)) as fake, open_client(make()) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(f"{fake.url}/api/chat", json=BODY)
        assert 1 == len(fake.requests)


async def test_a_cut_body_is_an_error():
    async with open_fake_ollama(Reply((Say(("a",)), Cut()))) as fake, open_client(make()) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(f"{fake.url}/api/chat", json=BODY)


async def test_an_idle_connection_is_dropped_after_its_time(autojump_clock: trio.testing.MockClock):
    fake = FakeOllama()
    transport = make(keep_alive_seconds=10.0)
    async with trio.open_nursery() as nursery:
        transport = make(keep_alive_seconds=10.0, connect=Memory(fake, nursery))
        async with open_client(transport) as client:
            for pause in (9, 11):
                await client.get("http://fake/")
                await trio.sleep(pause)
            await client.get("http://fake/")
            assert 2 == len(fake.connections)
        nursery.cancel_scope.cancel()


async def test_requests_beyond_the_limit_wait_for_a_place(autojump_clock: trio.testing.MockClock):
    fake = FakeOllama(Reply((Wait(1.0), Say(("a",)))))
    async with trio.open_nursery() as nursery:
        transport = make(connections=2, connect=Memory(fake, nursery))
        async with open_client(transport) as client, trio.open_nursery() as inner:
            for _ in range(6):
                inner.start_soon(lambda: client.post("http://fake/api/chat", json=BODY))
        assert 3.0 == pytest.approx(trio.current_time() - fake.requests[0].at)
        assert 2 == len(fake.connections)
        nursery.cancel_scope.cancel()


async def test_connecting_has_a_time_limit(autojump_clock: trio.testing.MockClock):
    async def connect(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async with open_client(make(connect=connect)) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("http://fake/")
        assert 1.0 == trio.current_time()


async def test_a_refused_connection_is_a_connect_error():
    async with open_fake_ollama() as fake:
        port = fake.port
    async with open_client(make()) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_cancelled_at_any_await_the_connection_closes_and_the_place_is_free():
    transport = make()
    reply = Reply((Say(("a", "b", "c"), 0.001),), head_after=0.001)
    async with open_fake_ollama(reply) as fake, open_client(transport) as client:
        step = 0
        for step in itertools.count(1):
            cancelled = await run_cancelled_at(step, lambda: client.post(f"{fake.url}/api/chat", json=BODY))
            assert 0 == transport.statistics().busy
            if not cancelled:
                break
            started = trio.current_time()
            await fake.wait_until(lambda: fake.live == 0)
            assert trio.current_time() - started < 0.05
        assert step > 3


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def open_secure(fake: FakeOllama, authority: trustme.CA) -> AsyncGenerator[str]:
    """The fake server behind TLS, on loopback; yields its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def serve(stream: trio.SocketStream) -> None:
            await fake.serve(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

        await nursery.start(trio.serve_listeners, serve, listeners)
        yield f"https://localhost:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_https_is_spoken_over_kept_connections(authority: trustme.CA):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    fake = FakeOllama(answer("secret"))
    async with open_secure(fake, authority) as url, open_client(make(tls=context)) as client:
        for _ in range(2):
            assert "secret" in (await client.post(f"{url}/api/chat", json=BODY)).text
        assert 1 == len(fake.connections)


async def test_a_certificate_that_is_not_trusted_is_refused(authority: trustme.CA):
    fake = FakeOllama()
    async with open_secure(fake, authority) as url, open_client(make(tls=ssl.create_default_context())) as client:
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await client.post(f"{url}/api/chat", json=BODY)
        assert [] == fake.requests


class Memory:
    """Connects to a fake server in memory, so that the clock may be a mock."""

    def __init__(self, fake: FakeOllama, nursery: trio.Nursery) -> None:
        self.fake = fake
        self.nursery = nursery

    async def __call__(self, host: str, port: int, /) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.fake.serve, theirs)
        await trio.lowlevel.checkpoint()
        return ours
