"""OpenAI's responses over HTTP: each may follow an earlier one by its id."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response
from trio.testing import MockClock

from tests.conversations.doubles import Script, echo, finished, say
from tests.http.openai.house import Site, site
from tests.http.scripted import failed, plays, post
from tests.http.scripted import site as scripted
from thane.turn import Message, RunFailed, Text, Thinking, ToolCall, Usage

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


def heard(place: Site) -> list[str]:
    """What the agent was given in the last turn, without what each is."""
    return [message.content for message in place.house.agent.turns[-1].messages]


def text(response: Any) -> str:
    return response["output"][-1]["content"][0]["text"]


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_responses_are_on_both_listeners(listener: str, autojump_clock: MockClock) -> None:
    async with scripted() as place:
        served = getattr(place, listener)
        whole = await post(served, "/v1/responses", {"model": "thane", "input": "hi"})
        streamed = await post(served, "/v1/responses", {"model": "thane", "input": "hi", "stream": True})
    assert "Hello there." == text(msgspec.json.decode(whole.body))
    assert "text/event-stream" == streamed.headers["content-type"]
    assert b"event: response.created\n" in streamed.body
    assert b"event: response.completed\n" in streamed.body


async def test_a_failure_before_the_first_word_has_a_status(autojump_clock: MockClock) -> None:
    async with scripted(plays(failed(failure="unavailable"))) as place:
        answer = await post(place.native, "/v1/responses", {"input": "hi", "stream": True})
    assert (503, "false") == (answer.status, answer.headers["x-should-retry"])
    assert "unavailable" == msgspec.json.decode(answer.body)["error"]["code"]


async def test_a_response_follows_another_by_its_id(autojump_clock: MockClock) -> None:
    async with site() as place:
        first = await place.respond("one", instructions="be brief")
        second = await place.respond("two", previous_response_id=first["id"], instructions="be long")
        third = await place.respond("three", previous_response_id=second["id"])
        assert ["one", "You said one", "two", "You said two", "three"] == heard(place)
        assert (first["id"], second["id"]) == (second["previous_response_id"], third["previous_response_id"])
        assert 1 == len({response["conversation"]["id"] for response in (first, second, third)})
        second_turn = place.house.agent.turns[1]
    assert Message("system", "be long") == second_turn.messages[0]
    assert "You said three" == text(third)


async def test_an_earlier_response_is_followed_on_a_branch_of_its_own(autojump_clock: MockClock) -> None:
    async with site() as place:
        first = await place.respond("one")
        await place.respond("two", previous_response_id=first["id"])
        other = await place.respond("deux", previous_response_id=first["id"])
        assert ["one", "You said one", "deux"] == heard(place)
        await place.respond("trois", previous_response_id=other["id"])
        assert ["one", "You said one", "deux", "You said deux", "trois"] == heard(place)
        assert 1 == len(place.house.archive.records)


async def test_the_same_answer_twice_can_be_followed_twice(autojump_clock: MockClock) -> None:
    """The archive keeps it once."""
    async with site() as place:
        first = await place.respond("one")
        await place.respond("two", previous_response_id=first["id"])
        again = await place.respond("two", previous_response_id=first["id"])
        await place.respond("three", previous_response_id=again["id"])
        assert ["one", "You said one", "two", "You said two", "three"] == heard(place)


def calls_once() -> Script:
    """Calls the client's tool, and then says what came of it."""

    async def script(turn: Any, context: Any, send: Any) -> Any:
        if turn.messages[-1].role == "tool":
            return await say(f"It is {turn.messages[-1].content}", turn, context, send)
        await send((Thinking("hm"), Text("Let me see.")))
        return finished(context, "Let me see.", (ToolCall("call_1", "weather", {"city": "Oslo"}),))

    return script


async def test_results_of_tools_follow_their_calls(autojump_clock: MockClock) -> None:
    async with site(calls_once()) as place:
        first = await place.respond("weather?", tools=[WEATHER])
        call = first["output"][-1]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        second = await place.respond([result], previous_response_id=first["id"], tools=[WEATHER])
        messages = place.house.agent.turns[-1].messages
    assert ("function_call", "call_1", '{"city":"Oslo"}') == (call["type"], call["call_id"], call["arguments"])
    assert ["user", "assistant", "tool"] == [message.role for message in messages]
    assert (ToolCall("call_1", "weather", {"city": "Oslo"}),) == messages[1].tool_calls
    assert Message("tool", "sunny", tool_call_id="call_1", tool_name="weather") == messages[2]
    assert "It is sunny" == text(second)


@pytest.mark.parametrize("previous", ["resp_r_0000000000000000", "r_0000000000000000", "resp_"])
async def test_a_response_that_is_not_known_cannot_be_followed(previous: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        status, told = await place.post({"input": "two", "previous_response_id": previous})
        assert [] == place.house.agent.turns
    assert (400, "previous_response_not_found", "previous_response_id") == (
        status,
        told["error"]["code"],
        told["error"]["param"],
    )


async def test_the_bare_id_of_a_run_is_no_response(autojump_clock: MockClock) -> None:
    async with site() as place:
        run_id = (await place.respond("one"))["id"].removeprefix("resp_")
        assert 400 == (await place.post({"input": "two", "previous_response_id": run_id}))[0]
        assert 404 == (await place.get(run_id))[0]


async def test_any_client_may_follow_a_response(autojump_clock: MockClock) -> None:
    """Also one that is taken for Open WebUI, whose ids live in a space of their own."""
    async with site() as place:
        first = await place.respond("one")
        body = {"input": "two", "previous_response_id": first["id"]}
        status, second = await place.post(body, "User-Agent: aiohttp/3")
        assert (200, first["conversation"]) == (status, second["conversation"])


async def test_a_conversation_is_continued_by_what_is_new(autojump_clock: MockClock) -> None:
    async with site() as place:
        first = await place.respond("one", conversation="my-chat")
        await place.respond("two", conversation={"id": "my-chat"})
        assert ["one", "You said one", "two"] == heard(place)
        assert {"id": "api:my-chat"} == first["conversation"]


async def test_a_response_can_be_asked_for_again(autojump_clock: MockClock) -> None:
    async with site(calls_once()) as place:
        first = await place.respond("weather?", tools=[WEATHER])
        status, again = await place.get(first["id"])
    same = ("id", "status", "output", "conversation", "created_at", "usage")
    assert (200, {key: first[key] for key in same}) == (status, {key: again[key] for key in same})
    assert "thane:latest" == again["model"]
    Response.model_validate(again, strict=True)


async def test_a_failed_response_is_kept_as_one(autojump_clock: MockClock) -> None:
    async def fails(_turn: Any, context: Any, _send: Any) -> RunFailed:
        return RunFailed(context.run_id, "model", "The model server stopped answering.", Usage(), 0.0)

    async with site(fails) as place:
        status, _ = await place.post({"input": "hi"})
        (run_id,) = place.house.archive.stored
        _, again = await place.get(f"resp_{run_id}")
        follow = await place.post({"input": "so?", "previous_response_id": f"resp_{run_id}"})
    assert (502, "failed", "The model server stopped answering.") == (
        status,
        again["status"],
        again["error"]["message"],
    )
    assert 400 == follow[0]


async def test_an_unknown_response_is_not_found(autojump_clock: MockClock) -> None:
    async with site(echo) as place:
        status, told = await place.get("resp_r_0000000000000000")
    assert (404, "response_not_found") == (status, told["error"]["code"])
