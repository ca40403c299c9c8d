"""Anthropic's messages over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import failed, finished, plays, post, site
from thane.config.settings import Events, Settings
from thane.turn import Text

HI: dict[str, Any] = {"model": "thane", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_messages_are_on_both_listeners(listener: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        served = getattr(place, listener)
        whole = await post(served, "/v1/messages", HI, "anthropic-version: 2023-06-01")
        streamed = await post(served, "/v1/messages", HI | {"stream": True})
    assert "Hello there." == msgspec.json.decode(whole.body)["content"][0]["text"]
    assert ("text/event-stream", "no-cache") == (streamed.headers["content-type"], streamed.headers["cache-control"])
    assert streamed.body.startswith(b"event: message_start\n")
    assert streamed.body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_pings_keep_a_silent_answer_alive(autojump_clock: MockClock) -> None:
    settings = Settings(events=Events(ping_seconds=5))
    async with site(plays(12.0, Text("So"), finished("So")), settings=settings) as place:
        answer = await post(place.native, "/v1/messages", HI | {"stream": True})
    assert answer.body.startswith(b'event: ping\ndata: {"type":"ping"}\n\n' * 2 + b"event: message_start\n")


@pytest.mark.parametrize("listener", ["native", "ollama"])
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"messages": []}, 400, "invalid_request_error"),
        (HI | {"model": "nope"}, 404, "not_found_error"),
    ],
)
async def test_refusals_have_anthropics_shape(
    listener: str, body: dict[str, Any], status: int, kind: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await post(getattr(place, listener), "/v1/messages", body)
    told = msgspec.json.decode(answer.body)
    assert (status, "error", kind) == (answer.status, told["type"], told["error"]["type"])
    assert "false" == answer.headers["x-should-retry"]
    assert answer.headers["x-request-id"] == answer.headers["request-id"]  # by which Anthropic's clients tell it


async def test_failures_have_anthropics_shape(autojump_clock: MockClock) -> None:
    async with site(plays(failed(failure="unavailable"))) as place:
        answer = await post(place.native, "/v1/messages", HI)
    told = msgspec.json.decode(answer.body)
    assert (503, "overloaded_error", "The model server stopped answering.") == (
        answer.status,
        told["error"]["type"],
        told["error"]["message"],
    )
    assert told["request_id"] == answer.headers["x-request-id"]


async def test_what_never_reaches_the_route_has_its_shape_too(autojump_clock: MockClock) -> None:
    async with site() as place:
        method = await place.native.ask("PUT", "/v1/messages")
        body = await place.native.ask("POST", "/v1/messages", b"{")
    for answer, status in ((method, 405), (body, 400)):
        told = msgspec.json.decode(answer.body)
        assert (status, "error", "invalid_request_error") == (answer.status, told["type"], told["error"]["type"])


async def test_tokens_are_estimated_without_asking_a_model(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.native, "/v1/messages/count_tokens", HI)
        refused = await post(place.native, "/v1/messages/count_tokens", {})
        assert [] == place.conversations.turns
    assert {"input_tokens": 1, "estimated": True} == msgspec.json.decode(answer.body)
    assert (400, "error") == (refused.status, msgspec.json.decode(refused.body)["type"])
