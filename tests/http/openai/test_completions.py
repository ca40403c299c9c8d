"""OpenAI's older completions on both listeners."""

from __future__ import annotations

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import frames, post, site


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_a_prompt_is_answered_on_both_listeners(listener: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        served = getattr(place, listener)
        whole = await post(served, "/v1/completions", {"model": "thane", "prompt": "hi"})
        streamed = await post(served, "/v1/completions", {"model": "thane", "prompt": "hi", "stream": True})
    assert "Hello there." == msgspec.json.decode(whole.body)["choices"][0]["text"]
    assert "text/event-stream" == streamed.headers["content-type"]
    got = frames(streamed.body)
    assert ("Hello there.", "[DONE]") == ("".join(part["choices"][0]["text"] for part in got[:-1]), got[-1])


async def test_what_cannot_be_done_is_refused_in_openais_shape(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.native, "/v1/completions", {"prompt": "hi", "suffix": "end"})
        unknown = await post(place.native, "/v1/completions", {"prompt": "hi", "model": "nope"})
        assert [] == place.conversations.turns
    error = msgspec.json.decode(answer.body)["error"]
    assert (400, "suffix", "invalid_request_error") == (answer.status, error["param"], error["type"])
    assert "false" == answer.headers["x-should-retry"]
    assert (404, "model_not_found") == (unknown.status, msgspec.json.decode(unknown.body)["error"]["code"])
