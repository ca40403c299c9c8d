"""Calls of a Thane that was killed: what had ended is there to the token, what was under way is there by an estimate.

The database of a running Thane is copied as it lies on the disk, which is what a kill leaves, and opened by another.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
import trio

from tests.ledger.books import call, open_books
from tests.ledger.whole import MODEL, Whole, open_whole, settings_for
from thane.config.money import Budget, Budgets
from thane.testing.clock import TrioClock
from thane.testing.fake_ollama import open_fake_ollama
from thane.testing.fake_server import FakeModel
from thane.testing.ollama_script import Call, Reply, Say, Stop, Wait
from thane.turn import Usage

NOON = 1_800_014_400.0


async def until_under_way(thane: Whole, calls: int) -> None:
    """Wait until the disk knows of so many calls, and of one under way."""
    database = thane.rooms.ledger._database  # pyright: ignore[reportPrivateUsage] a look at the tables
    wanted = "select (select count(*) from ledger), (select count(*) from open_calls)"
    with trio.fail_after(10):
        while (calls, 1) != await database.read(lambda c: c.execute(wanted).fetchone()):  # noqa: ASYNC110 - no event of it
            await trio.sleep(0.01)


async def test_a_kill_between_two_steps_loses_no_call(tmp_path: Path) -> None:
    first = Reply((Call((("GetDateTime", {}),)), Stop(prompt_tokens=400, output_tokens=7)))
    second = Reply((Say(("It ",)), Wait(), Stop()))
    killed = tmp_path / "killed"
    async with open_fake_ollama() as fake:
        fake.script(first, second)
        async with open_whole(settings_for(tmp_path, fake.url)) as thane, trio.open_nursery() as nursery:
            nursery.start_soon(thane.post, "/v1/chat", {"message": "what time is it", "conversation_id": "c_1"})
            await until_under_way(thane, 1)
            shutil.copytree(tmp_path, killed, ignore=shutil.ignore_patterns("killed", "*.lock"))
            (live,) = thane.rooms.conversations.running()
            nursery.cancel_scope.cancel()
        settings = settings_for(killed, fake.url, budgets=Budgets(day=Budget(stop_usd=5)))
        for _ in range(2):  # and once more: nothing is counted twice
            async with open_whole(settings) as thane:
                ended, under_way = await thane.rooms.ledger.entries(0, limit=9)
                assert (live.run_id, "done", Usage(400, 7)) == (ended.run_id, ended.outcome, ended.usage)
                assert (live.run_id, "interrupted", 0) == (
                    *(under_way.run_id, under_way.outcome, under_way.usage.output_tokens),
                )
                assert under_way.usage.estimated
                assert under_way.usage.input_tokens > 20
                spent = ended.picodollars, under_way.picodollars
                assert (400 * 10**6 + 7 * 10**7, under_way.usage.input_tokens * 10**6) == spent
                assert 407 + under_way.tokens == thane.rooms.ledger.spending.today().tokens
                run = await thane.told("GET", f"/v1/runs/{live.run_id}")
                assert ("interrupted", MODEL, 400 + under_way.usage.input_tokens, 7, True) == (
                    *(run["state"], run["model"]),
                    *(run["usage"][name] for name in ("input_tokens", "output_tokens", "estimated")),
                )
                assert [(1, "tool_calls", 7), (2, "cancelled", 0)] == [
                    (step["step"], step["finish_reason"], step["usage"]["output_tokens"]) for step in run["steps"]
                ]
                assert run["cost_usd"] == pytest.approx(sum(step["cost_usd"] for step in run["steps"]))
                assert sum(map(float, (spent[0] or 0, spent[1] or 0))) / 1e12 == run["cost_usd"]
                usage = await thane.told("GET", "/v1/telemetry/usage?group_by=model")
                assert 2 == usage["totals"]["requests"]


async def test_what_ended_is_not_open_any_more(tmp_path: Path) -> None:
    models = FakeModel(MODEL), FakeModel("nomic-embed-text", capabilities=("embedding",))
    async with open_fake_ollama(Reply((Say(("Yes.",)), Stop())), models=models) as fake:
        settings = settings_for(tmp_path, fake.url)
        async with open_whole(settings) as thane:
            await thane.chat("hello", "c_1")
            await thane.post("/api/embed", {"model": "nomic-embed-text", "input": ["a"]}, ollama=True)
        async with open_whole(settings) as thane:
            outcomes = [entry.outcome for entry in await thane.rooms.ledger.entries(0, limit=9)]
            assert ["done", "done"] == outcomes


async def test_a_call_under_way_is_replaced_by_what_it_came_to(tmp_path: Path) -> None:
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        going_on = msgspec.structs.replace(call(at=NOON), outcome="interrupted", usage=Usage(5, estimated=True))
        ledger.note("r_1", (), going_on)
        ledger.note("r_2", (), msgspec.structs.replace(going_on, run_id="r_2", model="\ud800"))
        entry = ledger.charge(call(at=NOON))
        await ledger._database.write(ledger.keep("r_1", (entry,)))  # pyright: ignore[reportPrivateUsage] as a run's end
    async with open_books(tmp_path, clock=TrioClock(NOON)) as ledger:
        first, second = await ledger.entries(0, limit=9)
        assert entry == first
        assert ("r_2", "interrupted", Usage(5, estimated=True), "\ufffd") == (
            *(second.run_id, second.outcome, second.usage, second.model),
        )
