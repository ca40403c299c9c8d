"""The event stream over real sockets: WebSocket, SSE and the log."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest
import structlog
import trio
import trio.testing
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from thane.config.settings import Events, Limits, Settings
from thane.events.bus import EventBus
from thane.http.native.events import routes
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.testing.clock import TrioClock
from thane.testing.serving import Answer, RawClient, Served, request, serving
from thane.version import Version

VERSION = Version(
    version="0.1.0", git_commit="", git_branch="", build_time="", python_version="3.13", os="linux", arch="x86_64"
)


class Watched:
    """A served event stream, and the bus behind it."""

    def __init__(self, bus: EventBus, served: Served) -> None:
        self.bus = bus
        self.served = served

    def publish(self, number: int, *, kind: str = "llm_call", **data: object) -> None:
        for _ in range(number):
            self.bus.publish("agent", kind, run_id="r_1", **data)

    async def get(self, path: str) -> Any:
        answer = await self.served.ask("GET", path)
        assert 200 == answer.status, answer.body
        return msgspec.json.decode(answer.body)

    async def ask(self, path: str, *headers: str) -> Answer:
        return await self.served.ask("GET", path, b"", *headers)

    @asynccontextmanager
    async def websocket(self, path: str = "/v1/events") -> AsyncGenerator[Socket]:
        async with await self.served.connect() as raw, trio.open_nursery() as nursery:
            connection = await wrap_client_stream(nursery, raw.stream, "localhost", path)
            yield Socket(connection, raw)
            await connection.aclose()

    async def sse(self, path: str = "/v1/events", *headers: str) -> Sse:
        client = await self.served.connect()
        await client.send(request("GET", path, b"", *headers))
        return Sse(client)

    async def nobody_watches(self) -> None:
        with trio.fail_after(5):
            while self.bus.statistics().subscribers:
                await trio.testing.wait_all_tasks_blocked()


class Socket:
    """A WebSocket client that speaks JSON."""

    def __init__(self, connection: WebSocketConnection, raw: RawClient) -> None:
        self._connection = connection
        self._raw = raw

    def vanish(self) -> None:
        """End without a closing handshake."""
        self._raw.reset()

    async def send(self, **message: object) -> None:
        await self._connection.send_message(msgspec.json.encode(message).decode())

    async def send_text(self, text: str) -> None:
        await self._connection.send_message(text)

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(5):
            return msgspec.json.decode(await self._connection.get_message())

    async def seqs(self, number: int) -> list[int]:
        return [(await self.next())["seq"] for _ in range(number)]


class Sse:
    """An SSE client."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.head = ""
        self._bytes = b""
        self._text = ""

    async def next(self) -> list[str]:
        """The lines of the next block."""
        if not self.head:
            self.head = (await self._line(b"\r\n\r\n")).decode().lower()
        while "\n\n" not in self._text:
            size = int(await self._line(b"\r\n"), 16)
            while len(self._bytes) < size + 2:
                self._bytes += await self.client.stream.receive_some()
            self._text += self._bytes[:size].decode()
            self._bytes = self._bytes[size + 2 :]
        block, _, self._text = self._text.partition("\n\n")
        return block.split("\n")

    async def _line(self, end: bytes) -> bytes:
        while end not in self._bytes:
            self._bytes += await self.client.stream.receive_some()
        line, _, self._bytes = self._bytes.partition(end)
        return line


def rooms(bus: EventBus, settings: Settings) -> Rooms:
    nothing = cast("Any", None)
    clock = TrioClock()
    return Rooms(
        settings=settings,
        clock=clock,
        ids=Ids(random.Random(1), clock),
        version=VERSION,
        started_at=clock.time(),
        bus=bus,
        archive=nothing,
        ledger=nothing,
        conversations=nothing,
        loops=nothing,
        home=None,
        health=nothing,
        models=lambda: (),
    )


@asynccontextmanager
async def watched(**events: Any) -> AsyncGenerator[Watched]:
    settings = Settings(events=Events(**events))
    bus = EventBus(settings.events, TrioClock())
    app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
    app.register_blueprint(routes(rooms(bus, settings)))
    async with serving(app) as served:
        yield Watched(bus, served)


@pytest.mark.parametrize("path", ["/v1/events", "/ws/events"])
async def test_a_websocket_says_hello_and_then_tells_what_happens(path: str, autojump_clock: MockClock) -> None:
    async with watched() as house:
        house.publish(3)
        async with house.websocket(path) as socket:
            hello = await socket.next()
            sources = ["agent", "loop", "home", "health", "system"]
            assert {"type": "hello", "seq": 3, "version": "0.1.0", "sources": sources} == hello
            house.bus.publish("home", "state_changed", entity_id="light.kitchen")
            event = await socket.next()
            assert event.pop("ts").endswith("Z")
            data = {"entity_id": "light.kitchen"}
            assert {"type": "event", "seq": 4, "source": "home", "kind": "state_changed", "data": data} == event


async def test_a_timestamp_is_rfc_3339_in_utc(autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket() as socket:
        await socket.next()
        house.publish(1)
        assert (await socket.next())["ts"].startswith("2027-01-15T08:00:0")  # TrioClock begins at 1,800,000,000


async def test_since_sends_the_past_first_and_then_goes_on_without_a_gap(autojump_clock: MockClock) -> None:
    async with watched() as house:
        house.publish(5)
        async with house.websocket("/v1/events?since=2") as socket:
            assert 5 == (await socket.next())["seq"]
            house.publish(2)
            assert [3, 4, 5, 6, 7] == await socket.seqs(5)
            house.publish(1)
            assert [8] == await socket.seqs(1)


@pytest.mark.parametrize(
    "query",
    [
        "source=loop,health",
        "source=loop&source=health",
        "sources=loop,health",
        "kind=loop_error&kinds=dependency_down,loop_wait_start",
        "loop_id=l_1,l_2",
        "loop=l_1&loop=l_2",
        "conversation_id=c_1",
        "conversation=c_1&source=",
    ],
)
async def test_a_query_selects(query: str, autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket(f"/v1/events?{query}") as socket:
        await socket.next()
        house.publish(1)
        house.bus.publish("loop", "loop_error", loop_id="l_1", conversation_id="c_1")
        house.publish(1)
        house.bus.publish("health", "dependency_down", loop_id="l_2", conversation_id="c_1")
        assert [2, 4] == await socket.seqs(2)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("source=agnet", "source: 'agnet' is not one of agent, loop, home, health, system"),
        ("kind=tool", "kind: 'tool' is not one of request_start, routed"),
        ("since=yesterday", "since: give one whole number, not 'yesterday'"),
        ("since=1&since=2", "since: give one whole number, not '1, 2'"),
        ("since=-1", "since: give one whole number, not '-1'"),
    ],
)
async def test_a_bad_query_is_refused_with_the_valid_values(query: str, says: str, autojump_clock: MockClock) -> None:
    async with watched() as house:
        for path in (f"/v1/events?{query}", f"/v1/events/log?{query}"):
            answer = await house.ask(path)
            assert 400 == answer.status
            assert msgspec.json.decode(answer.body)["error"]["message"].startswith(says)
        with pytest.RaisesGroup(ConnectionRejected, flatten_subgroups=True) as refused:
            async with house.websocket(f"/v1/events?{query}"):
                pass
        (rejection,) = refused.value.exceptions
        assert isinstance(rejection, ConnectionRejected)
        assert 400 == rejection.status_code
        assert says in (rejection.body or b"").decode()
        assert 0 == house.bus.statistics().subscribers


async def test_a_subscribe_message_replaces_the_filter(autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket("/v1/events?source=home") as socket:
        await socket.next()
        house.publish(3)
        await socket.send(type="subscribe", sources=["agent"], kinds=["llm_call", "llm_response"], since=1)
        assert [2, 3] == await socket.seqs(2)
        house.bus.publish("home", "state_changed")
        house.publish(1)
        assert [5] == await socket.seqs(1)


async def test_a_subscribe_message_without_since_begins_now(autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket("/v1/events?source=home") as socket:
        await socket.next()
        house.publish(3, loop_id="l_1")
        await socket.send(type="subscribe", loop_id="l_1", run_id=["r_1", "r_2"])
        await socket.send(type="nonsense")
        assert "error" == (await socket.next())["type"]  # so the filter is in place
        house.publish(1, loop_id="l_2")
        house.publish(1, loop_id="l_1")
        assert [5] == await socket.seqs(1)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("hello", "malformed"),
        ("[]", "Expected `object`"),
        ('{"type":"stop"}', "Invalid value 'stop'"),
        ('{"type":"subscribe","sources":["agnet"]}', "source: 'agnet' is not one of"),
        ('{"type":"subscribe","sources":7}', "sources"),
        ('{"type":"replay","from":1}', "to"),
        ('{"type":"replay","x":' + "[" * 5000 + "]" * 5000 + "}", ""),
    ],
)
async def test_a_bad_message_is_told_and_harms_nothing(message: str, says: str, autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket() as socket:
        await socket.next()
        await socket.send_text(message)
        error = await socket.next()
        assert "error" == error["type"]
        assert says in error["message"]
        house.publish(1)
        assert [1] == await socket.seqs(1)


async def test_a_slow_client_is_told_what_it_missed_and_can_have_it_replayed(autojump_clock: MockClock) -> None:
    async with watched(subscriber_events=10) as house, house.websocket() as socket:
        await socket.next()
        house.publish(50)
        assert list(range(1, 11)) == await socket.seqs(10)
        assert {"type": "dropped", "count": 40, "from": 11, "to": 50} == await socket.next()
        await socket.send(type="replay", **{"from": 11, "to": 50})
        assert list(range(11, 51)) == await socket.seqs(40)
        house.publish(1)
        assert [51] == await socket.seqs(1)


async def test_only_one_replay_is_sent_at_a_time(autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket("/v1/events?source=agent") as socket:
        await socket.next()
        house.publish(2000)
        await socket.seqs(1000)
        await socket.next()  # dropped
        for _ in range(2):
            await socket.send(type="replay", **{"from": 1, "to": 2000})
        seen = [await socket.next() for _ in range(2001)]
        assert 1 == sum(message["type"] == "error" for message in seen)
        assert list(range(1, 2001)) == [message["seq"] for message in seen if message["type"] == "event"]


async def test_what_is_no_longer_kept_is_told_as_dropped(autojump_clock: MockClock) -> None:
    async with watched(ring_events=5) as house:
        house.publish(20)
        async with house.websocket("/v1/events?since=2") as socket:
            await socket.next()
            assert {"type": "dropped", "count": 13, "from": 3, "to": 15} == await socket.next()
            assert [16, 17, 18, 19, 20] == await socket.seqs(5)


async def test_a_client_that_goes_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with watched() as house:
            async with house.websocket() as socket:
                await socket.next()
                assert 1 == house.bus.statistics().subscribers
            await house.nobody_watches()
            async with house.websocket() as socket:
                await socket.next()
                house.publish(1)
                socket.vanish()
            await house.nobody_watches()
            stream = await house.sse()
            await stream.next()
            assert 1 == house.bus.statistics().subscribers
            stream.client.close()
            await house.nobody_watches()
    assert [] == logs


async def test_sse_names_the_source_and_numbers_the_events(autojump_clock: MockClock) -> None:
    async with watched() as house:
        house.publish(1)
        stream = await house.sse()
        retry, event, data = await stream.next()
        assert "content-type: text/event-stream" in stream.head
        assert "cache-control: no-cache" in stream.head
        assert "x-accel-buffering: no" in stream.head
        assert ("retry: 2000", "event: hello") == (retry, event)
        assert 1 == msgspec.json.decode(data.removeprefix("data: "))["seq"]
        house.bus.publish("loop", "loop_error", error="line one\nline two")
        number, event, data = await stream.next()
        assert ("id: 2", "event: loop") == (number, event)
        said = msgspec.json.decode(data.removeprefix("data: "))
        assert ("event", 2, "loop_error") == (said["type"], said["seq"], said["kind"])
        assert {"error": "line one\nline two"} == said["data"]
        stream.client.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/events?since=3", ()),
        ("/v1/events", ("Last-Event-ID: 3",)),
        ("/v1/events?since=1", ("Last-Event-ID: 3",)),
    ],
)
async def test_sse_can_be_taken_up_again(path: str, headers: tuple[str, ...], autojump_clock: MockClock) -> None:
    async with watched() as house:
        house.publish(5)
        stream = await house.sse(path, *headers)
        await stream.next()
        assert "id: 4" == (await stream.next())[0]
        assert "id: 5" == (await stream.next())[0]
        house.publish(1)
        assert "id: 6" == (await stream.next())[0]
        stream.client.close()


async def test_sse_tells_drops_without_a_number_so_that_a_new_connection_asks_for_them_again(
    autojump_clock: MockClock,
) -> None:
    async with watched(subscriber_events=1) as house:
        stream = await house.sse()
        await stream.next()
        house.publish(3)
        assert "id: 1" == (await stream.next())[0]
        event, data = await stream.next()
        assert "event: dropped" == event
        dropped = {"type": "dropped", "count": 2, "from": 2, "to": 3}
        assert dropped == msgspec.json.decode(data.removeprefix("data: "))
        stream.client.close()


async def test_sse_gives_a_sign_of_life_while_nothing_happens(autojump_clock: MockClock) -> None:
    async with watched(ping_seconds=20) as house:
        stream = await house.sse()
        await stream.next()
        started = trio.current_time()
        for number in (1, 2):
            assert [": nothing new"] == await stream.next()
            assert pytest.approx(20 * number, abs=0.1) == trio.current_time() - started
        stream.client.close()


async def test_the_log_gives_the_newest_events_and_pages_both_ways(autojump_clock: MockClock) -> None:
    async with watched() as house:
        house.publish(150)
        page = await house.get("/v1/events/log")
        assert (100, 1, 150) == (page["count"], page["first_seq"], page["last_seq"])
        assert list(range(51, 151)) == [event["seq"] for event in page["events"]]
        assert {"type", "seq", "ts", "source", "kind", "data"} == set(page["events"][0])

        async def seqs(query: str) -> list[int]:
            return [event["seq"] for event in (await house.get(f"/v1/events/log?{query}"))["events"]]

        assert list(range(41, 51)) == await seqs("before=51&limit=10")
        assert list(range(11, 21)) == await seqs("since=10&limit=10")
        assert [11, 12] == await seqs("since=10&before=13")
        assert [] == await seqs("source=home")
        assert [] == await seqs("limit=0")
        assert 150 == len(await seqs("limit=100000"))


async def test_head_opens_no_stream(autojump_clock: MockClock) -> None:
    async with watched() as house:
        answer = await house.served.ask("HEAD", "/v1/events")
        assert (200, "text/event-stream") == (answer.status, answer.headers["content-type"])
        assert 0 == house.bus.statistics().subscribers


async def test_the_server_can_stop_while_streams_are_open(autojump_clock: MockClock) -> None:
    async with watched() as house, house.websocket() as socket:
        await socket.next()
        house.served.drain.set()
        with trio.fail_after(5), pytest.raises(ConnectionClosed):
            await socket.next()
