"""Anthropic's own client: what goes beyond a question and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
import trio

from tests.http.scripted import Site, finished, plays, says, site
from thane.turn import ToolCall

TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}


async def talk[T](place: Site, conversation: Callable[[anthropic.Anthropic], T]) -> T:
    def run() -> T:
        with anthropic.Anthropic(base_url=f"http://127.0.0.1:{place.native.port}", api_key="none") as client:
            return conversation(client)

    return await trio.to_thread.run_sync(run)


async def test_a_tools_result_goes_back_with_the_call_as_it_came() -> None:
    call = ToolCall("call_1", "weather", {"city": "Åre"})

    def conversation(client: anthropic.Anthropic) -> None:
        said: Any = [{"role": "user", "content": "weather?"}]
        first = client.messages.create(model="thane", max_tokens=99, messages=said, tools=[TOOL])
        assert "tool_use" == first.stop_reason
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}
        said += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        client.messages.create(model="thane", max_tokens=99, messages=said, tools=[TOOL])

    async with site(plays(finished("", (call,)))) as place:
        await talk(place, conversation)
        _, turn = place.conversations.turns
    assert ["user", "assistant", "tool"] == [message.role for message in turn.messages]
    assert ((call,), "sunny", "weather") == (
        turn.messages[1].tool_calls,
        turn.messages[2].content,
        turn.messages[2].tool_name,
    )


async def test_tokens_are_counted_about() -> None:
    def conversation(client: anthropic.Anthropic) -> int:
        said: Any = [{"role": "user", "content": "x" * 400}]
        return client.messages.count_tokens(model="thane", messages=said).input_tokens

    async with site(says()) as place:
        assert 100 == await talk(place, conversation)


async def test_refusals_are_raised_with_their_type() -> None:
    def conversation(client: anthropic.Anthropic) -> None:
        said: Any = [{"role": "user", "content": [{"type": "document", "source": {}}]}]
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(model="thane", max_tokens=99, messages=said)
        body: Any = caught.value.body
        assert ("error", "invalid_request_error") == (body["type"], body["error"]["type"])

    async with site() as place:
        await talk(place, conversation)
        assert [] == place.conversations.turns
