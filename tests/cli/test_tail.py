"""`thane tail` against a WebSocket server that speaks Thane's event protocol."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from thane.cli.connection import connector
from thane.cli.remote import Remote
from thane.cli.tail import tail
from thane.errors import DependencyError


def hello(seq: int) -> dict[str, Any]:
    return {"type": "hello", "seq": seq, "version": "0", "sources": ["agent"]}


def event(seq: int, **data: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "seq": seq,
        "ts": "1970-01-01T00:00:00Z",
        "source": "agent",
        "kind": "tool_call",
        "data": data,
    }


def dropped(first: int, last: int) -> dict[str, Any]:
    return {"type": "dropped", "count": last - first + 1, "from": first, "to": last}


class Events:
    """Sends one prepared list of frames to each connection that comes, and refuses those after the last list.

    A list that ends with a drop notice makes the client connect again, and the refusal makes it end.
    """

    def __init__(self, *connections: list[dict[str, Any]], status: int = 401) -> None:
        self._connections = list(connections)
        self._status = status
        self.requests: list[tuple[str, dict[bytes, bytes]]] = []

    async def handle(self, request: WebSocketRequest) -> None:
        self.requests.append((request.path, dict(request.headers)))
        if not self._connections:
            await request.reject(self._status, body=b'{"error":{"message":"go away","type":"x","code":"y"}}')
            return
        connection = await request.accept()
        try:
            for frame in self._connections.pop(0):
                await connection.send_message(msgspec.json.encode(frame).decode())
            await connection.get_message()
        except ConnectionClosed:
            return


async def run_tail(events: Events, **options: Any) -> str:
    """Run `thane tail` until it is refused; what it ended with."""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve_websocket, events.handle, "127.0.0.1", 0, ssl_context=None))
            with pytest.raises(DependencyError) as raised:
                await tail(url=f"http://127.0.0.1:{server.port}", **options)
            nursery.cancel_scope.cancel()
    return str(raised.value)


async def test_each_event_is_one_line_and_filters_and_key_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    events = Events([hello(5), event(6, tool="a"), event(7, tool="b\nc"), dropped(8, 8)])
    await run_tail(events, key="secret key", source=["agent", "home"], kind=["tool_call"], loop=["l 1"], since=5)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" agent  tool_call               tool=a")
    assert second.endswith('tool="b\\nc"')
    path, headers = events.requests[0]
    assert path == "/v1/events?source=agent&source=home&kind=tool_call&loop=l+1&since=5"
    assert headers[b"authorization"] == b"Bearer secret key"


async def test_as_json_each_line_is_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    await run_tail(Events([hello(5), event(6, tool="a"), dropped(7, 7)]), as_json=True)
    expected = {"seq": 6, "ts": "1970-01-01T00:00:00Z", "source": "agent", "kind": "tool_call", "data": {"tool": "a"}}
    assert expected == msgspec.json.decode(capsys.readouterr().out)


async def test_dropped_events_are_told_and_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    events = Events(
        [hello(1), event(2, n=2), dropped(3, 4), event(5, n=5)],
        [hello(5), event(3, n=3), event(4, n=4), event(5, n=5), dropped(6, 6)],
    )
    await run_tail(events)
    captured = capsys.readouterr()
    assert [line.rpartition(" ")[2] for line in captured.out.splitlines()] == ["n=2", "n=3", "n=4", "n=5"]
    assert "2 events (3 to 4) were dropped; fetching them again." in captured.err
    assert [path.partition("?")[2] for path, _ in events.requests] == ["", "since=2", "since=5"]


@pytest.mark.parametrize(("status", "said"), [(401, "it wants a key"), (403, "go away"), (404, "go away")])
async def test_a_refusal_ends_it_with_a_sentence(capsys: pytest.CaptureFixture[str], status: int, said: str) -> None:
    assert said in await run_tail(Events(status=status))
    assert capsys.readouterr().out == ""


async def test_nobody_there_is_told_and_tried_again(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.move_on_after(60):
        await tail(url="http://127.0.0.1:1")
    assert "there is no answer from http://127.0.0.1:1" in capsys.readouterr().err


async def test_a_reader_that_goes_away_ends_it_and_is_not_taken_for_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise BrokenPipeError

    events = Events([hello(1), event(2)])
    monkeypatch.setattr("builtins.print", broken)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve_websocket, events.handle, "127.0.0.1", 0, ssl_context=None))
            with pytest.raises(BrokenPipeError):
                await tail(url=f"http://127.0.0.1:{server.port}")
            nursery.cancel_scope.cancel()


async def test_a_peer_that_hangs_up_is_told_as_no_answer(autojump_clock: trio.testing.MockClock) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with trio.fail_after(60), pytest.raises(DependencyError, match="no answer"):
            async with connector(Remote.at(f"127.0.0.1:{port}"), [])(None):
                pass
        nursery.cancel_scope.cancel()
