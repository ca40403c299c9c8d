from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, Send, finished, turn
from tests.http.native.native import site
from thane.agent.context import RunContext
from thane.turn import (
    Message,
    ModelFinished,
    ModelStarted,
    Prompt,
    RunFailed,
    RunFinished,
    Text,
    ToolCall,
    ToolFinished,
    ToolSpec,
    ToolStarted,
    Turn,
    Usage,
)


async def test_without_runs_both_lists_are_empty(autojump_clock: MockClock) -> None:
    async with site() as web:
        assert {"running": [], "recent": [], "next": None} == await web.get("/v1/runs")


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
        assert running | {"facts": []} == await web.get(f"/v1/runs/{running['run_id']}")
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


async def test_the_list_comes_in_pages_and_a_page_begins_where_the_one_before_ended(
    autojump_clock: MockClock,
) -> None:
    async with site() as web:
        asked = [(await web.house.ask(turn(f"{number}"))).run_id for number in range(5)]
        seen, path = list[str](), "/v1/runs?limit=2"
        while True:
            page = await web.get(path)
            seen += [run["id"] for run in page["recent"]]
            if page["next"] is None:
                break
            path = f"/v1/runs?limit=2&cursor={page['next']}"
        assert sorted(asked) == sorted(seen)
        assert 5 == len(seen)


async def test_a_page_with_a_cursor_shows_nothing_that_runs(autojump_clock: MockClock) -> None:
    async with site() as web, trio.open_nursery() as nursery:
        for number in range(2):
            await web.house.ask(turn(f"{number}"))
        gate = web.house.agent.script = Gate()
        nursery.start_soon(web.house.ask, turn("running"))
        await wait_all_tasks_blocked()
        page = await web.get("/v1/runs?limit=1")
        assert (1, 1) == (len(page["running"]), len(page["recent"]))
        page = await web.get(f"/v1/runs?limit=1&cursor={page['next']}")
        assert ([], 1, None) == (page["running"], len(page["recent"]), page["next"])
        gate.open.set()


@pytest.mark.parametrize(
    ("query", "running", "recent"),
    [
        ("", 1, 1),
        ("state=running", 1, 0),
        ("state=done", 0, 1),
        ("channel=owu", 1, 1),
        ("channel=ha", 0, 0),
        ("model=nope", 0, 1),  # the double of the archive does not know models
        ("since=2999-01-01T00:00:00Z", 0, 1),
        ("until=2001-01-01T00:00:00Z", 0, 1),
    ],
)
async def test_filters_select_what_runs_and_what_ended(
    query: str, running: int, recent: int, autojump_clock: MockClock
) -> None:
    async with site() as web, trio.open_nursery() as nursery:
        await web.house.ask(turn("done"))
        gate = web.house.agent.script = Gate()
        nursery.start_soon(web.house.ask, turn("running"))
        await wait_all_tasks_blocked()
        found = await web.get(f"/v1/runs?{query}")
        assert (running, recent) == (len(found["running"]), len(found["recent"]))
        gate.open.set()


@pytest.mark.parametrize(
    "query", ["state=odd", "channel=post", "since=yesterday", "cursor=nonsense", "limit=0", "model=a&model=b"]
)
async def test_a_filter_that_means_nothing_is_refused(query: str, autojump_clock: MockClock) -> None:
    async with site() as web:
        assert 400 == (await web.refused("GET", f"/v1/runs?{query}"))[0]


CALL = ToolCall("call_1", "light.turn_off", {"name": "Lamp", "api_key": "secret"})
TOOLS = (ToolSpec("light.turn_off"),)


async def with_tools(turn_: Turn, context: RunContext, send: Send) -> RunFinished:
    """Two model steps with a tool between them, each told with what it was sent."""
    system, asked = Message("system", "You are Thane."), turn_.messages[-1]
    started = ModelStarted(1, "qwen3", "ollama", 2, 1, 40, prompt=Prompt((system, asked), TOOLS))
    await send((started, ModelFinished(1, "qwen3", "ollama", Usage(40, 6), "tool_calls", 0.5, 0.1, tool_calls=1)))
    await send((ToolStarted(1, CALL), ToolFinished(1, CALL, True, "done", 0.1)))
    added = (Message("assistant", tool_calls=(CALL,)), Message("tool", "done", tool_call_id="call_1"))
    again = ModelStarted(2, "qwen3", "ollama", 4, 1, 60, prompt=Prompt((system, asked, *added), TOOLS))
    await send((again, Text("It is off."), ModelFinished(2, "qwen3", "ollama", Usage(60, 4), "stop", 0.5, 0.1)))
    return finished(context, "It is off.")


async def test_a_run_names_its_prompts_and_a_prompt_is_read_by_its_name(autojump_clock: MockClock) -> None:
    async with site(with_tools) as web:
        run = await web.get(f"/v1/runs/{(await web.house.ask(turn('lights off'))).run_id}")
        assert ["queue", "prompt", "model", "tool", "model"] == [span["kind"] for span in run["spans"]]
        assert [(1, 2), (2, 4)] == [(prompt["step"], prompt["messages"]) for prompt in run["prompts"]]
        prompt = await web.get(f"/v1/prompts/{run['prompts'][1]['hash']}")
        assert ["system", "user", "assistant", "tool"] == [message["role"] for message in prompt["messages"]]
        assert "light.turn_off" == prompt["tools"][0]["name"]
        assert (404, "not_found", "prompt_not_found") == await web.refused("GET", f"/v1/prompts/{'0' * 64}")


async def test_a_request_has_the_shape_of_the_reference(autojump_clock: MockClock) -> None:
    async with site(with_tools) as web:
        run_id = (await web.house.ask(turn("lights off"))).run_id
        run = await web.get(f"/v1/runs/{run_id}")
        request = await web.get(f"/v1/requests/{run_id}")
        expected = {
            "request_id": run_id,
            "prompt_hash": run["prompts"][-1]["hash"],
            "system_prompt": "You are Thane.",
            "user_content": "lights off",
            "assistant_content": "It is off.",
            "iteration_count": 2,
            "tools_used": {"light.turn_off": 1},
            "exhausted": False,
            "exhaust_reason": "",
        }
        assert expected.items() <= request.items()
        assert [(0, "user"), (1, "assistant"), (2, "tool")] == [
            (message["index"], message["role"]) for message in request["messages"]
        ]
        (call,) = request["tool_calls"]
        assert ("call_1", {"name": "Lamp", "api_key": "[redacted]"}, "done", 0) == (
            call["tool_call_id"],
            call["arguments"],
            call["result"],
            call["iteration_index"],
        )
        assert request["tool_calls"] == (await web.get(f"/v1/requests/{run_id}/tools"))["tool_calls"]


async def test_a_request_that_goes_on_is_told_with_what_its_model_was_sent(autojump_clock: MockClock) -> None:
    gate = Gate()

    async def script(turn_: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
        await send((ModelStarted(1, "qwen3", "ollama", 1, 0, 40, prompt=Prompt(turn_.messages)),))
        return await gate(turn_, context, send)

    async with site(script) as web, trio.open_nursery() as nursery:
        nursery.start_soon(web.house.ask, turn("lights off"))
        await wait_all_tasks_blocked()
        (run,) = web.house.conversations.running()
        request = await web.get(f"/v1/requests/{run.run_id}")
        assert ("processing", "lights off", 1, "qwen3") == (
            request["state"],
            request["messages"][0]["content"],
            request["iteration_count"],
            request["model"],
        )
        gate.open.set()


async def test_an_unknown_request_is_404(autojump_clock: MockClock) -> None:
    async with site() as web:
        for path in ("/v1/requests/r_nope", "/v1/requests/r_nope/tools"):
            assert (404, "not_found", "run_not_found") == await web.refused("GET", path)
