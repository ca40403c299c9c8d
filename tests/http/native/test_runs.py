from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, turn
from tests.http.native.native import site
from thane.turn import RunFailed


async def test_without_runs_both_lists_are_empty(autojump_clock: MockClock) -> None:
    async with site() as web:
        assert {"running": [], "recent": []} == await web.get("/v1/runs")


async def test_running_queued_and_recent_runs_are_listed(autojump_clock: MockClock) -> None:
    async with site() as web, trio.open_nursery() as nursery:
        done = await web.house.ask(turn("done"))
        gate = web.house.agent.script = Gate()
        for text in ("running", "waiting"):
            nursery.start_soon(web.house.ask, turn(text, conversation_id="same"))
            await wait_all_tasks_blocked()
        found = await web.get("/v1/runs")
        assert [("processing", 0), ("queued", 1)] == [(run["state"], run["position"]) for run in found["running"]]
        assert [(done.run_id, "done")] == [(run["id"], run["state"]) for run in found["recent"]]
        running = found["running"][0]
        assert (3, "writing the answer", "2027-01-15T08:00:00.000000Z") == (
            running["text_chars"],
            running["what"],
            running["started_at"],
        )
        assert [("queue", "done"), ("prompt", "running")] == [
            (span["kind"], span["state"]) for span in running["spans"]
        ]
        assert running == await web.get(f"/v1/runs/{running['run_id']}")
        mine = await web.get("/v1/runs?conversation_id=owu:same")
        assert (2, []) == (len(mine["running"]), mine["recent"])
        gate.open.set()


async def test_a_run_that_ended_has_its_steps_and_tool_calls(autojump_clock: MockClock) -> None:
    async with site() as web:
        answer = await web.house.ask(turn("hello"))
        run = await web.get(f"/v1/runs/{answer.run_id}")
        assert ("done", "You said hello", [], [], 10) == (
            run["state"],
            run["text"],
            run["steps"],
            run["tool_calls"],
            run["usage"]["input_tokens"],
        )
        assert run["started_at"].endswith("Z")


@pytest.mark.parametrize(("headers", "by"), [((), "api"), (("HX-Request: true",), "dashboard")])
async def test_a_run_is_stopped_and_says_who_did_it(
    headers: tuple[str, ...], by: str, autojump_clock: MockClock
) -> None:
    finals = list[object]()
    async with site(Gate()) as web, trio.open_nursery() as nursery:

        async def ask() -> None:
            finals.append((await web.house.ask(turn("hello"))).final)

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        (run,) = (await web.get("/v1/runs"))["running"]
        answer = await web.ask("DELETE", f"/v1/runs/{run['run_id']}", *headers)
        assert (202, {"run_id": run["run_id"], "status": "cancelling"}) == (
            answer.status,
            msgspec.json.decode(answer.body),
        )
        await web.house.conversations.wait_idle()
        assert by == web.house.archive.stored[run["run_id"]].cancelled_by
        assert (409, "invalid_request_error", "run_ended") == await web.refused("DELETE", f"/v1/runs/{run['run_id']}")
    assert isinstance(finals[0], RunFailed)


async def test_a_run_that_is_being_stored_is_ended_also_where_the_archive_does_not_have_it_yet(
    autojump_clock: MockClock,
) -> None:
    async with site() as web, trio.open_nursery() as nursery:
        web.house.archive.delay = 1
        nursery.start_soon(web.house.ask, turn("x", task="title_generation"))
        await trio.sleep(0.1)
        web.house.archive.delay = 0
        (run,) = web.house.conversations.running()
        assert 409 == (await web.refused("DELETE", f"/v1/runs/{run.run_id}"))[0]


async def test_an_unknown_run_is_404(autojump_clock: MockClock) -> None:
    async with site() as web:
        for method in ("GET", "DELETE"):
            assert (404, "not_found", "run_not_found") == await web.refused(method, "/v1/runs/r_nope")
