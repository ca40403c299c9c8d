"""Keys of requests that mean nothing here: ignored, and counted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import structlog
from trio.testing import MockClock

from tests.http.scripted import ollama_chat, post, site
from thane.http.documents import IgnoredKeys, known_keys
from thane.http.openapi.table import TABLE

CHAT = "POST /api/chat"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", ollama_chat(Foo=1, STREAM=False)),
        ("/api/generate", {"model": "thane", "prompt": "hi", "Foo": 1}),
        ("/api/show", {"Name": "thane", "Foo": None}),
        ("/v1/chat/completions", ollama_chat(Foo=1)),
        ("/v1/responses", {"input": "hi", "Foo": {}}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "Foo": 1}),
    ],
)
async def test_a_key_that_nobody_knows_is_ignored_and_counted(
    path: str, body: dict[str, Any], autojump_clock: MockClock
) -> None:
    with structlog.testing.capture_logs() as logged:
        async with site() as place:
            for _ in range(2):
                assert 200 == (await post(place.ollama, path, body)).status
            counted = place.rooms.ignored.statistics()
    assert {f"POST {path}": {"Foo": 2}, "other": 0} == counted
    assert [("Foo", f"POST {path}")] == [(each["key"], each["route"]) for each in logged if "key" in each]


async def test_the_counts_are_told_with_the_rest(autojump_clock: MockClock) -> None:
    async with site() as place:
        await post(place.native, "/v1/chat/completions", ollama_chat(store=True))
        answer = await place.native.ask("GET", "/v1/system")
    told = msgspec.json.decode(answer.body)["statistics"]["ignored_keys"]
    assert {"POST /v1/chat/completions": {"store": 1}, "other": 0} == told


def test_names_are_kept_up_to_a_limit_and_cut() -> None:
    keys = IgnoredKeys(2)
    keys.look(CHAT, ["a", "b" * 1000, "c", "a"])
    keys.look("GET /nowhere", ["a"])
    assert {CHAT: {"a": 2, "b" * 64: 1}, "other": 1} == keys.statistics()


def test_what_tells_who_speaks_is_known_in_every_protocol() -> None:
    for route in (CHAT, "POST /v1/chat/completions", "POST /v1/messages"):
        assert {"chat_id", "conversation_id", "metadata", "user"} <= (known_keys(route) or set())


def test_only_where_a_body_is_described() -> None:
    assert known_keys("GET /v1/models") is None
    described = [route for route, told in TABLE.items() if told.body is not None]
    assert all(known_keys(route) for route in described)
