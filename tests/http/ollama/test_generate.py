"""`/api/generate` on the Ollama listener."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import CONVERSATION, RUN, failed, lines, plays, post, site
from thane.turn import Message, Text


def prompt(**more: object) -> dict[str, object]:
    return {"model": "thane", "prompt": "hi"} | more


async def test_a_prompt_is_answered_in_lines(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/generate", prompt(system="Be brief."))
        assert (Message("system", "Be brief."), Message("user", "hi")) == place.turn.messages
    assert (200, "application/x-ndjson", RUN) == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["x-request-id"],
    )
    assert ["Hello ", "there.", ""] == [line["response"] for line in lines(answer.body)]


async def test_a_context_goes_on_where_the_answer_ended(autojump_clock: MockClock) -> None:
    async with site() as place:
        first = await post(place.ollama, "/api/generate", prompt(stream=False))
        await post(place.ollama, "/api/generate", prompt(context=msgspec.json.decode(first.body)["context"]))
        one, two = place.conversations.turns
    assert ("", False) == (one.caller.conversation_id, one.continues)
    assert (CONVERSATION, True) == (two.caller.conversation_id, two.continues)


@pytest.mark.parametrize(("body", "reason"), [({}, "load"), ({"keep_alive": 0}, "unload"), ({"images": []}, "load")])
async def test_open_web_uis_unload_button_is_answered(
    body: dict[str, Any], reason: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/generate", {"model": "thane:latest", "prompt": ""} | body)
        assert [] == place.conversations.turns
    told = msgspec.json.decode(answer.body)
    assert (True, reason, "", "thane:latest") == (told["done"], told["done_reason"], told["response"], told["model"])
    assert "application/json; charset=utf-8" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (prompt(model="nope"), 404, "model 'nope' not found"),
        (prompt(model="nope", prompt=""), 404, "model 'nope' not found"),
        ({}, 404, "model '' not found"),
        (prompt(suffix="x"), 400, '"thane" does not support insert'),
        ([], 400, "the request body must be a JSON object"),
    ],
)
async def test_refusals_are_a_text(body: object, status: int, error: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/generate", body)
        assert [] == place.conversations.turns
    told = msgspec.json.decode(answer.body)
    assert ["error"] == list(told)
    assert status == answer.status
    assert told["error"].startswith(error)


async def test_a_failure_has_a_status_before_the_first_word_and_a_line_after_it(autojump_clock: MockClock) -> None:
    async with site(plays(failed())) as place:
        early = await post(place.ollama, "/api/generate", prompt())
    async with site(plays(Text("So"), 1.0, failed())) as place:
        late = await post(place.ollama, "/api/generate", prompt())
    assert (502, {"error": failed().message}) == (early.status, msgspec.json.decode(early.body))
    assert (200, {"error": failed().message}) == (late.status, lines(late.body)[-1])
