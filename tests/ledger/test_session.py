"""The session's routes on a whole Thane: numbers, balance, a fresh start, a summary, history."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

from tests.http.openapi.fitting import check
from tests.ledger.whole import MODEL, open_whole, settings_for
from thane.config.settings import Budget, Budgets, Conversations
from thane.http.native.app import build_native
from thane.http.openapi.document import describe
from thane.ledger.entry import LedgerEntry
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Reply, Say, Stop, Wait, answer
from thane.turn import Usage


def counted(text: str, tokens_in: int, tokens_out: int) -> Reply:
    return Reply((Say((text,)), Stop(prompt_tokens=tokens_in, output_tokens=tokens_out)))


@pytest.fixture
async def fake() -> AsyncGenerator[FakeOllama]:
    async with open_fake_ollama() as server:
        yield server


def prompt(fake: FakeOllama, index: int = -1) -> list[str]:
    """What the model was shown, without the system prompt."""
    asked = [request for request in fake.requests if request.path == "/api/chat"][index]
    said = [message["content"].partition("\n\n[Circumstances")[0] for message in asked.body["messages"]]
    return said if asked.body["messages"][0]["role"] != "system" else said[1:]


async def test_numbers_are_of_every_door_or_of_the_conversation_that_is_named(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        fake.script(counted("One.", 1000, 10), counted("Two.", 500, 20))
        await thane.chat("hello", "c_mine")
        await thane.post("/api/chat", {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}, ollama=True)
        stats = await thane.told("GET", "/v1/session/stats")
        assert (1500, 30, 2) == (stats["total_input_tokens"], stats["total_output_tokens"], stats["total_requests"])
        assert (0.0018, [MODEL]) == (stats["estimated_cost_usd"], list(stats["by_model"]))
        assert "reported_balance_usd" not in stats
        mine = await thane.told("GET", "/v1/sessions/stats?conversation_id=c_mine")
        assert (1000, 1, 2) == (mine["total_input_tokens"], mine["total_requests"], mine["message_count"])
        assert mine["context_tokens"] > 0


async def test_numbers_and_balance_outlive_a_restart_and_the_conversation(tmp_path: Path, fake: FakeOllama) -> None:
    settings = settings_for(tmp_path, fake.url)
    async with open_whole(settings) as thane:
        await thane.told("POST", "/v1/session/balance", {"balance_usd": 12.5})
        fake.script(counted("One.", 1_000_000, 0))
        await thane.chat("hello", "c_gone")
        deleted = await thane.native.ask("DELETE", "/v1/conversations/api:c_gone")
        assert deleted.status in (200, 204), deleted.body
    async with open_whole(settings) as thane:
        stats = await thane.told("GET", "/v1/session/stats")
        assert (1_000_000, 12.5, 11.5) == (
            stats["total_input_tokens"],
            stats["reported_balance_usd"],
            stats["balance_left_usd"],
        )


async def test_after_a_reset_a_model_sees_nothing_of_before_and_nothing_is_deleted(
    tmp_path: Path, fake: FakeOllama
) -> None:
    settings = settings_for(tmp_path, fake.url)
    async with open_whole(settings) as thane:
        await thane.chat("my name is Ann", "c_1")
        await thane.chat("my cat is Tom", "c_1")
        assert "my name is Ann" in prompt(fake)
        done = await thane.told("POST", "/v1/session/reset", {"conversation_id": "c_1"})
        assert ("ok", "conversation cleared", 4) == (done["status"], done["message"], done["messages"])
        assert [] == (await thane.told("GET", "/v1/session/history?conversation_id=c_1"))["messages"]
    async with open_whole(settings) as thane:  # a restart brings nothing back
        await thane.chat("who am I?", "c_1")
        assert ["who am I?"] == prompt(fake)
        await thane.chat("and now?", "c_1")
        assert ["who am I?", "and now?"] == [words for words in prompt(fake) if words.endswith("?")]
        said = (await thane.told("GET", "/v1/conversations/api:c_1"))["messages"]
        assert "my name is Ann" in [message["content"] for message in said]
        sessions = (await thane.told("GET", "/v1/archive/sessions?conversation_id=api:c_1"))["sessions"]
        assert ["", "reset"] == [session["end_reason"] for session in sessions]


async def test_a_reset_waits_for_no_turn_it_says_that_one_goes_on(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        fake.script(Reply((Say(("Well",)), Wait(), Stop())))
        client = await thane.native.connect()
        async with client:
            body = b'{"message":"hello","conversation_id":"c_1"}'
            await client.stream.send_all(
                b"POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            await fake.wait_until(lambda: any(request.path == "/api/chat" for request in fake.requests))
            refused = await thane.post("/v1/session/reset", {"conversation_id": "c_1"})
            assert 409 == refused.status
        await wait_all_tasks_blocked()


async def test_compacting_puts_a_models_summary_before_the_latest_messages(tmp_path: Path, fake: FakeOllama) -> None:
    settings = settings_for(tmp_path, fake.url, conversations=Conversations(compact_keep_messages=2))
    async with open_whole(settings) as thane:
        for number in range(3):
            fake.script(answer(f"answer {number}"))
            await thane.chat(f"question {number}", "c_1")
        fake.script(answer("They counted to two."))
        done = await thane.told("POST", "/v1/sessions/compact?conversation_id=c_1")
        assert ("They counted to two.", 4) == (done["summary"], done["messages"])
        assert "question 1" in prompt(fake)[0]
        await thane.chat("go on", "c_1")
        assert ["[Conversation Summary]\nThey counted to two.", "question 2", "answer 2", "go on"] == prompt(fake)[-4:]
        history = (await thane.told("GET", "/v1/session/history?conversation_id=c_1"))["messages"]
        assert ["system", "user", "assistant", "user", "assistant"] == [each["role"] for each in history]
        assert (await thane.told("GET", "/v1/telemetry/usage?group_by=role"))["groups"][1]["role"] == "auxiliary"
        again = await thane.told("POST", "/v1/session/compact?conversation_id=nobody")
        assert (0, "there is too little to compact") == (again["messages"], again["message"])


async def test_without_a_model_the_summary_is_what_was_said_shortened(tmp_path: Path, fake: FakeOllama) -> None:
    settings = settings_for(tmp_path, fake.url, conversations=Conversations(compact_keep_messages=1))
    async with open_whole(settings) as thane:
        await thane.chat("first", "c_1")
        await thane.chat("second", "c_1")
        fake.script(Reply(status=400, error="no"))
        done = await thane.told("POST", "/v1/session/compact?conversation_id=c_1")
        assert done["summary"].startswith("user: first\nassistant: Hello there.")


async def test_a_model_of_two_servers_is_one_by_its_name(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        now = thane.rooms.clock.time()
        for number, provider in enumerate(("ollama", "box")):
            usage = Usage(100, 1, cached_tokens=40, cache_write_tokens=5)
            entry = LedgerEntry(f"r_{number}", 0, now, "api", provider, MODEL, usage)
            await thane.rooms.ledger.record(entry)
        told = await thane.told("GET", "/v1/session/stats")
    assert (2, 200) == (told["by_model"][MODEL]["turns"], told["by_model"][MODEL]["input_tokens"])
    assert {"ollama", "box"} == set(told["by_provider"])
    assert (80, 10, 0.4) == (told["total_cached_tokens"], told["total_cache_write_tokens"], told["cache_hit_rate"])


async def test_a_named_conversation_may_stand_in_the_header(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        await thane.chat("hello", "c_1")
        named = await thane.told("GET", "/v1/session/history", None, "X-Conversation-Id: c_1")
        assert ["hello", "Hello there."] == [each["content"] for each in named["messages"]]
        assert [] == (await thane.told("GET", "/v1/session/history"))["messages"]


async def test_the_conversation_of_nobody_is_default(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        await thane.chat("hello", "default")
        told = await thane.told("GET", "/v1/session/history")
        assert ["hello", "Hello there."] == [each["content"] for each in told["messages"]]


async def test_a_budget_of_the_day_stops_paid_models_with_a_sentence(tmp_path: Path, fake: FakeOllama) -> None:
    settings = settings_for(tmp_path, fake.url, budgets=Budgets(day=Budget(stop_usd=1)))
    async with open_whole(settings) as thane:
        fake.script(counted("Dear.", 1_000_000, 0))
        assert "Dear." == await thane.chat("hello", "c_1")
        refused = await thane.post("/v1/chat", {"message": "again", "conversation_id": "c_1"})
        assert b"Today's budget for paid models is used up ($1.00 of $1.00)." in refused.body
        assert 1 == sum(request.path == "/api/chat" for request in fake.requests)
    async with open_whole(settings) as thane:
        refused = await thane.post("/v1/chat", {"message": "again"})
        assert b"Today's budget for paid models is used up" in refused.body


@pytest.mark.parametrize(
    ("query", "names"),
    [("", [MODEL]), ("?group_by=channel&hours=1", ["api"]), ("?group_by=profile", ["thane:latest"])],
)
async def test_usage_is_told_by_what_is_asked(tmp_path: Path, fake: FakeOllama, query: str, names: list[str]) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        await thane.chat("hello", "c_1")
        told: dict[str, Any] = await thane.told("GET", f"/v1/telemetry/usage{query}")
        assert names == [group[told["group_by"]] for group in told["groups"]]
        assert told["totals"]["requests"] == sum(group["requests"] for group in told["groups"])
        for wrong in ("?group_by=colour", "?hours=0", "?hours=x"):
            assert 400 == (await thane.native.ask("GET", f"/v1/telemetry/usage{wrong}")).status


async def test_nothing_used_is_an_empty_list(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        told = await thane.told("GET", "/v1/telemetry/usage?group_by=hour")
        assert ([], 0) == (told["groups"], told["totals"]["requests"])


async def test_every_answer_has_the_shape_that_is_told(tmp_path: Path, fake: FakeOllama) -> None:
    async with open_whole(settings_for(tmp_path, fake.url)) as thane:
        await thane.chat("hello", "default")
        document = describe(build_native(thane.rooms), "0.1.0", thane.rooms.settings.auth)
        for method, path, body in (
            ("POST", "/v1/session/balance", {"balance_usd": 3}),
            ("GET", "/v1/session/stats", None),
            ("GET", "/v1/session/history", None),
            ("POST", "/v1/session/compact", None),
            ("POST", "/v1/session/reset", {}),
            ("GET", "/v1/telemetry/usage", None),
        ):
            check(document, f"{method} {path}", await thane.told(method, path, body))
        assert 400 == (await thane.post("/v1/session/balance", {"balance_usd": "much"})).status
