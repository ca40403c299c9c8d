"""OpenAI's own client following one response with another, over the real tracker on its doubles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
import trio
from openai.types.responses import Response
from pydantic import BaseModel

from tests.http.openai.house import site
from tests.http.openai.test_responses import WEATHER, calls_once
from tests.http.scripted import says
from tests.http.scripted import site as scripted


async def talk[T](port: int, conversation: Callable[[openai.OpenAI], T]) -> T:
    def run() -> T:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as client:
            return conversation(client)

    return await trio.to_thread.run_sync(run)


async def test_a_tool_is_called_and_its_result_answered() -> None:
    def conversation(client: openai.OpenAI) -> tuple[str, str]:
        tools: Any = [WEATHER]
        first = client.responses.create(model="thane", input="weather?", tools=tools)
        call = first.output[-1]
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        followed = client.responses.create(model="thane", input=[result], previous_response_id=first.id, tools=tools)
        history: Any = [{"role": "user", "content": "weather?"}, *first.output, result]
        resent = client.responses.create(model="thane", input=history, tools=tools)
        return followed.output_text, resent.output_text

    async with site(calls_once()) as place:
        assert ("It is sunny", "It is sunny") == await talk(place.served.port, conversation)
        one, other = (turn.messages for turn in place.house.agent.turns[1:])
    assert [(m.role, m.content, m.tool_calls, m.tool_name) for m in one] == [
        (m.role, m.content, m.tool_calls, m.tool_name) for m in other
    ]


async def test_a_response_is_fetched_again_and_an_unknown_one_is_not_found() -> None:
    def conversation(client: openai.OpenAI) -> tuple[Response, Response]:
        first = client.responses.create(model="thane", input="one")
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_nope")
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="thane", input="two", previous_response_id="resp_nope")
        assert "previous_response_not_found" == caught.value.code
        return first, client.responses.retrieve(first.id)

    async with site() as place:
        first, again = await talk(place.served.port, conversation)
    assert (first.id, "You said one") == (again.id, again.output_text)


async def test_a_format_is_parsed() -> None:
    class City(BaseModel):
        name: str

    def conversation(client: openai.OpenAI) -> City | None:
        return client.responses.parse(model="thane", input="where?", text_format=City).output_parsed

    async with scripted(says('{"name":', '"Åre"}')) as place:
        assert City(name="Åre") == await talk(place.native.port, conversation)
        form = place.turn.options.format
    assert isinstance(form, dict)
    assert ["name"] == form["required"]
