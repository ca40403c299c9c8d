"""Ollama's API on the native listener, where `ollama_api.port` is 0."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import lines, ollama_chat, post, site
from thane.config.settings import Auth, OllamaApi, Settings
from thane.http.guard import guarded
from thane.http.listeners import check_exposure
from thane.http.native.app import build_native
from thane.testing.events import RecordedEvents
from thane.testing.serving import serving

SHARED = Settings(ollama_api=OllamaApi(port=0))


@pytest.mark.parametrize("path", ["/api/version", "/api/tags", "/api/ps", "/v1/models", "/health"])
async def test_both_apis_are_on_one_port(path: str, autojump_clock: MockClock) -> None:
    async with site(settings=SHARED) as place:
        answer = await place.native.ask("GET", path)
    assert 200 == answer.status


async def test_a_turn_is_answered_there(autojump_clock: MockClock) -> None:
    async with site(settings=SHARED) as place:
        chat = await post(place.native, "/api/chat", ollama_chat())
        generated = await post(place.native, "/api/generate", {"model": "thane", "prompt": "hi"})
    assert ["Hello ", "there.", ""] == [line["message"]["content"] for line in lines(chat.body)]
    assert ["Hello ", "there.", ""] == [line["response"] for line in lines(generated.body)]


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/api/chat", b"{}", {"error": "model is required"}),
        ("GET", "/api/nothing", b"", b"404 page not found"),
        ("GET", "/api/chat", b"", b"405 method not allowed"),
    ],
)
async def test_each_api_keeps_its_form_of_errors(
    method: str, path: str, body: bytes, told: Any, autojump_clock: MockClock
) -> None:
    async with site(settings=SHARED) as place:
        ollama = await place.native.ask(method, path, body)
        native = await place.native.ask("GET", "/v1/nothing")
    assert told == (ollama.body if isinstance(told, bytes) else msgspec.json.decode(ollama.body))
    assert "unknown_path" == msgspec.json.decode(native.body)["error"]["code"]


async def test_a_missing_key_is_told_in_the_form_of_the_api(autojump_clock: MockClock) -> None:
    settings = msgspec.structs.replace(SHARED, auth=Auth(keys=("sesame-sesame",)))
    async with site(settings=settings) as place:
        app: Any = build_native(place.rooms)
        async with serving(guarded(app, settings, RecordedEvents(), listener="native")) as served:
            ollama = await served.ask("GET", "/api/tags")
            native = await served.ask("GET", "/v1/models")
            known = await served.ask("GET", "/api/tags", b"", "Authorization: Bearer sesame-sesame")
    assert (401, 401, 200) == (ollama.status, native.status, known.status)
    assert isinstance(msgspec.json.decode(ollama.body)["error"], str)
    assert "invalid_api_key" == msgspec.json.decode(native.body)["error"]["code"]


async def test_it_is_not_there_while_it_has_a_port_of_its_own(autojump_clock: MockClock) -> None:
    for api in (OllamaApi(), OllamaApi(enabled=False, port=0)):
        async with site(settings=Settings(ollama_api=api)) as place:
            answer = await place.native.ask("GET", "/api/tags")
        assert (404, "unknown_path") == (answer.status, msgspec.json.decode(answer.body)["error"]["code"])


def test_an_address_that_is_not_listened_on_needs_no_key() -> None:
    check_exposure(Settings(ollama_api=OllamaApi(port=0, address="0.0.0.0")))
