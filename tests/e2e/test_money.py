"""The real program: a task handed from a strong model to a small one, what it cost and why, and what a kill leaves."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import trio

from tests.e2e import program
from tests.e2e.program import Program, fetch
from thane.testing.fake_anthropic import FakeAnthropic, open_fake_anthropic
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.fake_server import FakeModel
from thane.testing.script import Reply, Say, Stop, Wait, answer, tool_call

pytestmark = pytest.mark.e2e

STRONG, SMALL = "claude-sonnet-4-5", "qwen3:4b"
HANDS_OVER = tool_call("thane_delegate", task="Say what time it is.", profile="general")


class Stage:
    def __init__(self, thane: Program, strong: FakeAnthropic, small: FakeOllama) -> None:
        self.thane = thane
        self.strong = strong
        self.small = small

    async def get(self, path: str) -> Any:
        return await trio.to_thread.run_sync(self.thane.get, path)

    async def fetch(self, path: str, body: object = None, method: str | None = None) -> Any:
        return await trio.to_thread.run_sync(lambda: fetch(self.thane.native + path, body, method=method))

    async def chat(self) -> Any:
        """An answer, or the error of none."""
        try:
            return await self.fetch("/v1/chat", {"message": "explain what time it is", "conversation_id": "c"})
        except OSError as error:
            if isinstance(error, HTTPError):
                error.close()
            return error

    async def runs(self) -> list[Any]:
        return (await self.get("/v1/runs"))["recent"]

    async def until(self, condition: Any) -> Any:
        """The first truthy value of what is asked again and again."""
        with trio.fail_after(20):
            while not (found := await condition()):  # noqa: ASYNC110 - it is asked over HTTP
                await trio.sleep(0.05)
        return found


@asynccontextmanager
async def servers() -> AsyncGenerator[tuple[FakeAnthropic, FakeOllama]]:
    async with AsyncExitStack() as stack:
        strong = await stack.enter_async_context(open_fake_anthropic(models=(FakeModel(STRONG),)))
        small = await stack.enter_async_context(open_fake_ollama(models=(FakeModel(SMALL),)))
        yield strong, small


@asynccontextmanager
async def stage(folder: Path, strong: FakeAnthropic, small: FakeOllama, **settings: Any) -> AsyncGenerator[Stage]:
    config = {
        "models": {
            "default": STRONG,
            "ollama_url": small.url,
            "providers": [{"name": "anthropic", "type": "anthropic", "url": strong.url, "api_key": "k"}],
            "available": [
                {"name": STRONG, "provider": "anthropic", "quality": 9, "cost_tier": 2},
                {"name": SMALL, "quality": 4, "speed": 8},
            ],
        },
        **settings,
    }
    running = program.running(folder, config)
    thane = await trio.to_thread.run_sync(running.__enter__)
    try:
        yield Stage(thane, strong, small)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(running.__exit__, None, None, None)


async def test_a_strong_model_hands_a_task_to_a_small_one(tmp_path: Path) -> None:
    async with servers() as (strong, small), stage(tmp_path, strong, small) as it:
        strong.script(HANDS_OVER, answer("It is ", "noon."))
        small.script(tool_call("GetDateTime"), Reply((Wait(1.5), Say(("Noon.",)), Stop(prompt_tokens=30))))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.chat)

            async def handed_over() -> Any:
                going_on = (await it.get("/v1/runs"))["running"]
                return [run for run in going_on if run["parent_run_id"]]

            (live,) = await it.until(handed_over)
            page = await trio.to_thread.run_sync(lambda: program_page(it.thane, "/"))
            assert live["run_id"] in page, "the tree has it while it goes on"
        child, parent = sorted(await it.runs(), key=lambda run: not run["parent_run_id"])
        assert (parent["id"], SMALL, "done") == (child["parent_run_id"], child["model"], child["state"])
        assert (STRONG, "It is noon.", "done") == (parent["model"], parent["text"], parent["state"])
        (call,) = (await it.get(f"/v1/runs/{parent['id']}"))["tool_calls"]
        assert re.match(r"\[Delegate SUCCEEDED: qwen3:4b, 2 steps, 14 tokens, .*\]\n\nNoon\.$", call["result"])
        roles = {each["role"]: each for each in (await it.get("/v1/telemetry/usage?group_by=role"))["groups"]}
        assert (2, small.counted(SMALL).input_tokens, 0.0) == (
            *(roles["delegate"][name] for name in ("requests", "input_tokens", "cost_usd")),
        )
        asked = strong.counted(STRONG)
        cost = (asked.input_tokens * 3 + asked.output_tokens * 15) / 1e6
        assert (2, pytest.approx(cost)) == (roles["interactive"]["requests"], roles["interactive"]["cost_usd"])
        for run in (child, parent):
            await check_why(it, run["id"])


def program_page(thane: Program, path: str) -> str:
    with program.urlopen(thane.native + path) as page:
        return page.read().decode()


async def check_why(it: Stage, run_id: str) -> None:
    """`thane why` says what the API does: every candidate with its reason, and who answered."""
    decision = await it.get(f"/v1/requests/{run_id}/routing")
    command = [sys.executable, "-m", "thane", "why", run_id, "--url", it.thane.native]
    said = (await trio.run_process(command, capture_stdout=True)).stdout.decode()
    assert decision == await it.get(f"/v1/router/explain/{run_id}")
    assert decision["reasoning"] in said
    for candidate in decision["candidates"]:
        assert re.search(rf"{re.escape(candidate['model'])} .*{re.escape(candidate['reason'])}", said)
    assert f"{decision['model_answered']} answered in " in said


async def test_a_stopped_turn_and_a_killed_thane_leave_what_they_cost(tmp_path: Path) -> None:
    async with servers() as (strong, small):
        async with stage(tmp_path, strong, small) as it, trio.open_nursery() as nursery:
            strong.script(Reply((Say(("It ", "is ")), Wait())))
            nursery.start_soon(it.chat)
            (live,) = await it.until(lambda: speaking(it))
            await it.fetch(f"/v1/runs/{live['run_id']}", method="DELETE")

            async def ended() -> Any:
                return [run for run in await it.runs() if run["state"] == "cancelled"]

            (stopped,) = await it.until(ended)
            assert ("api", 2, True) == (
                *(stopped["cancelled_by"], stopped["usage"]["output_tokens"], stopped["usage"]["estimated"]),
            )
            (span,) = [span for span in (await it.get(f"/v1/runs/{stopped['id']}"))["spans"] if span["kind"] == "model"]
            assert ("error", "cancelled", stopped["usage"]["input_tokens"]) == (
                *(span["state"], span["finish_reason"], span["usage"]["input_tokens"]),
            )
            before = (await it.get("/v1/telemetry/usage"))["totals"]
            assert (1, stopped["usage"]["input_tokens"]) == (before["cancelled_requests"], before["input_tokens"])

            strong.script(tool_call("GetDateTime"), Reply((Say(("It ", "is ")), Wait())))
            nursery.start_soon(it.chat)
            (live,) = await it.until(lambda: speaking(it))
            await trio.sleep(0.5)
            it.thane.process.kill()
            it.thane.process.wait()
        async with stage(tmp_path, strong, small) as it:
            killed = await it.get(f"/v1/runs/{live['run_id']}")
            assert ("interrupted", STRONG, 7, True) == (
                *(killed["state"], killed["model"], killed["usage"]["output_tokens"], killed["usage"]["estimated"]),
            )
            assert killed["usage"]["input_tokens"] > 11, "that of the step that ended, and about that of the next"
            assert killed["cost_usd"] > 0
            after = (await it.get("/v1/telemetry/usage"))["totals"]
            assert (3, 2) == (after["requests"], after["cancelled_requests"])
            assert before["input_tokens"] + killed["usage"]["input_tokens"] == after["input_tokens"]
            assert pytest.approx(before["cost_usd"] + killed["cost_usd"]) == after["cost_usd"]


async def speaking(it: Stage) -> list[Any]:
    return [run for run in (await it.get("/v1/runs"))["running"] if run["text_chars"]]


async def test_a_model_without_a_price_answers_nothing_where_money_is_limited(tmp_path: Path) -> None:
    budget = {"budgets": {"day": {"stop_usd": 1}}, "pricing": {"another": {"input_per_million": 1}}}
    async with servers() as (strong, small), stage(tmp_path, strong, small, **budget) as it:
        said = await it.chat()
        assert SMALL == said["model"]
        (run,) = await it.runs()
        decision = await it.get(f"/v1/requests/{run['id']}/routing")
        reasons = {each["model"]: (each["state"], each["reason"]) for each in decision["candidates"]}
        state, reason = reasons[STRONG]
        assert ("rejected", True) == (state, "has no price, and a money budget stands" in reason)
        named = await it.fetch(
            "/v1/chat/completions", {"model": STRONG, "messages": [{"role": "user", "content": "explain it"}]}
        )
        assert "has no price" in named["choices"][0]["message"]["content"]
        assert [] == [request for request in strong.requests if request.path == "/v1/messages"]
        events = await it.get("/v1/events/log?kind=budget_stop")
        assert [True] == [event["data"]["unpriced"] for event in events["events"]]
        checked = subprocess.run(  # noqa: ASYNC221 - it is done in a moment
            [sys.executable, "-m", "thane", "check", "--config", str(tmp_path / "config.yaml")],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert f"warning: a budget of money stands, and {STRONG} have no price" in checked
        assert "no price under pricing" in it.thane.log.read_text()
