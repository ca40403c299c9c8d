from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, turn
from tests.http.native.native import Site, site
from thane.testing.serving import RawClient, request
from thane.turn import RunFailed


class Stream:
    """A client of the loops' event stream, which comes in chunks."""

    def __init__(self, client: RawClient, rest: bytes) -> None:
        self._client = client
        self._raw = rest
        self._text = ""

    async def next(self) -> tuple[str, Any]:
        """Name and data of the next event; a comment is ("", its text)."""
        while "\n\n" not in self._text:
            self._text += (await self._take_chunk()).decode()
        block, _, self._text = self._text.partition("\n\n")
        if block.startswith(":"):
            return "", block[1:].strip()
        event, data = block.split("\n")
        return event.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))

    async def kinds(self, number: int) -> list[str]:
        return [(await self.next())[1]["kind"] for _ in range(number)]

    async def _take_chunk(self) -> bytes:
        while b"\r\n" not in self._raw:
            self._raw += await self._client.stream.receive_some()
        size, _, self._raw = self._raw.partition(b"\r\n")
        length = int(size, 16)
        while len(self._raw) < length + 2:
            self._raw += await self._client.stream.receive_some()
        chunk, self._raw = self._raw[:length], self._raw[length + 2 :]
        return chunk


@asynccontextmanager
async def follow(web: Site, path: str = "/v1/loops/events") -> AsyncGenerator[Stream]:
    async with await web.served.connect() as client:
        await client.send(request("GET", path))
        head, _, rest = (await client.read_until(b"\r\n\r\n")).partition(b"\r\n\r\n")
        assert b" 200 " in head
        assert b"content-type: text/event-stream" in head.lower()
        yield Stream(client, rest)


async def test_loops_are_listed_as_a_bare_list_on_both_paths(autojump_clock: MockClock) -> None:
    async with site() as web:
        await web.house.ask(turn("hello"))
        found = await web.get("/v1/loops")
        assert found == await web.get("/api/loops")
        assert ["api", "ha", "owu", "owu/hello"] == [loop["name"] for loop in found]
        child = found[3]
        assert ("waiting", 1, 1, None, [], "c_") == (
            child["state"],
            child["iterations"],
            len(child["recent_iterations"]),
            child["next_wake_at"],
            found[0]["recent_conv_ids"],
            child["recent_conv_ids"][0][:2],
        )
        assert child == await web.get(f"/v1/loops/{child['id']}")


async def test_a_loop_is_stopped_with_all_below_it_and_its_conversation_goes_on(autojump_clock: MockClock) -> None:
    finals = list[object]()
    async with site(Gate()) as web, trio.open_nursery() as nursery:

        async def ask() -> None:
            finals.append((await web.house.ask(turn("hello", conversation_id="same"))).final)

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        (owu,) = [loop for loop in await web.get("/v1/loops") if loop["name"] == "owu"]
        answer = await web.ask("DELETE", f"/v1/loops/{owu['id']}", "HX-Request: true")
        assert (200, {"id": owu["id"], "status": "stopped"}) == (answer.status, msgspec.json.decode(answer.body))
        assert ["api", "ha"] == [loop["name"] for loop in await web.get("/v1/loops")]
        assert ["dashboard"] == [run.cancelled_by for run in web.house.archive.stored.values()]
        web.house.agent.script = Gate()
        web.house.agent.script.open.set()
        assert "owu:same" == (await web.house.ask(turn("again", conversation_id="same"))).conversation_id
    assert isinstance(finals[0], RunFailed)


async def test_an_unknown_loop_is_404(autojump_clock: MockClock) -> None:
    async with site() as web:
        for method in ("GET", "DELETE"):
            assert (404, "not_found", "loop_not_found") == await web.refused(method, "/v1/loops/nope")


async def test_the_stream_begins_with_a_snapshot_and_goes_on_with_what_happens_after_it(
    autojump_clock: MockClock,
) -> None:
    async with site() as web:
        await web.house.ask(turn("before"))
        async with follow(web) as stream:
            event, loops = await stream.next()
            assert ("snapshot", ["api", "ha", "owu", "owu/before"]) == (event, [loop["name"] for loop in loops])
            await web.house.ask(turn("after"))
            event, data = await stream.next()
            assert ("loop", "loop_started", "owu/after") == (event, data["kind"], data["data"]["loop_name"])
            assert {"kind", "ts", "data", "seq"} == data.keys()
            assert data["ts"].endswith("Z")
            assert ["loop_state_change", "loop_wait_start", "loop_state_change"] == await stream.kinds(3)


async def test_the_reference_path_is_an_alias(autojump_clock: MockClock) -> None:
    async with site() as web, follow(web, "/api/loops/events") as stream:
        assert "snapshot" == (await stream.next())[0]


async def test_a_quiet_stream_sends_comments(autojump_clock: MockClock) -> None:
    async with site(ping_seconds=20) as web, follow(web) as stream:
        await stream.next()
        began = trio.current_time()
        assert [("", "keepalive")] * 2 == [await stream.next(), await stream.next()]
        assert 40 == round(trio.current_time() - began)


async def test_a_client_that_was_too_slow_gets_a_new_snapshot_in_place_of_what_it_missed(
    autojump_clock: MockClock,
) -> None:
    async with site(subscriber_events=5) as web, follow(web) as stream:
        await stream.next()
        owu = web.house.loops.statuses()[0]
        for _ in range(20):
            web.bus.publish("loop", "loop_wait_start", loop_id=owu.id, loop_name="owu")
        assert "snapshot" == (await stream.next())[0]
        web.bus.publish("loop", "loop_wait_start", loop_id=owu.id, loop_name="owu")
        assert ["loop_wait_start"] == await stream.kinds(1)


async def test_a_client_that_goes_leaves_no_subscription(autojump_clock: MockClock) -> None:
    async with site() as web:
        async with follow(web) as stream:
            await stream.next()
            assert 1 == web.bus.statistics().subscribers
        with trio.fail_after(5):
            while web.bus.statistics().subscribers:  # noqa: ASYNC110 - nothing tells of it
                await trio.lowlevel.checkpoint()
