"""The Ollama listener behind its door: what pages of a browser may do with its routes, as Ollama lets them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import ollama_chat, site
from thane.config.settings import Settings
from thane.http.guard import guarded
from thane.http.ollama.app import build_ollama
from thane.testing.events import RecordedEvents
from thane.testing.serving import Served, serving

PAGE = "Origin: http://localhost:3000"
PREFLIGHT = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-stainless-os")
POSTED = {
    "/api/chat": ollama_chat(),
    "/api/generate": {"model": "thane", "prompt": "hi"},
    "/api/show": {"model": "thane"},
    "/api/push": {"model": "thane"},
    "/api/embed": {"model": "thane", "input": "hi"},
}


@asynccontextmanager
async def door() -> AsyncGenerator[Served]:
    async with site() as place:
        app: Any = build_ollama(place.rooms)
        async with serving(guarded(app, Settings(), RecordedEvents(), listener="ollama")) as served:
            yield served


@pytest.mark.parametrize("path", [*POSTED, "/v1/chat/completions", "/api/delete"])
async def test_a_browser_that_asks_first_is_let_in(path: str, autojump_clock: MockClock) -> None:
    async with door() as served:
        answer = await served.ask("OPTIONS", path, b"", PAGE, *PREFLIGHT)
    assert (204, b"") == (answer.status, answer.body)
    assert "http://localhost:3000" == answer.headers["access-control-allow-origin"]
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    for name in ("Authorization", "Content-Type", "OpenAI-Beta", "X-Stainless-OS"):
        assert name in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("path", POSTED)
async def test_answers_and_refusals_may_be_read_by_the_page(path: str, autojump_clock: MockClock) -> None:
    async with door() as served:
        answer = await served.ask("POST", path, msgspec.json.encode(POSTED[path]), PAGE)
    assert answer.status in (200, 501)
    assert ("http://localhost:3000", "Origin") == (
        answer.headers["access-control-allow-origin"],
        answer.headers["vary"],
    )


@pytest.mark.parametrize("path", POSTED)
async def test_pages_of_strangers_are_403(path: str, autojump_clock: MockClock) -> None:
    async with door() as served:
        posted = await served.ask("POST", path, msgspec.json.encode(POSTED[path]), "Origin: https://evil.example")
        asked = await served.ask("OPTIONS", path, b"", "Origin: https://evil.example", *PREFLIGHT)
    for answer in (posted, asked):
        assert 403 == answer.status
        assert "access-control-allow-origin" not in answer.headers
