from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.conversations.doubles import turn
from tests.http.native.native import site
from thane.turn import Message, ToolCall


async def test_without_conversations_the_list_is_empty_and_not_null(autojump_clock: MockClock) -> None:
    async with site() as web:
        assert {"conversations": [], "count": 0, "next": None} == await web.get("/v1/conversations")


async def test_the_list_comes_newest_first_in_pages(autojump_clock: MockClock) -> None:
    async with site() as web:
        ids = list[str]()
        for text in ("one", "two", "three"):
            await trio.sleep(1)
            ids.append((await web.house.ask(turn(text))).conversation_id)
        first = await web.get("/v1/conversations?limit=2")
        assert (["three", "two"], 3, ids[1]) == (
            [each["title"] for each in first["conversations"]],
            first["count"],
            first["next"],
        )
        rest = await web.get(f"/v1/conversations?limit=2&before={ids[1]}")
        assert (["one"], 3, None) == ([each["title"] for each in rest["conversations"]], rest["count"], rest["next"])
        assert "2027-01-15T08:00:03.000000Z" == first["conversations"][0]["updated_at"]
        assert "owu" == first["conversations"][0]["channel"]


async def test_one_conversation_has_its_messages_in_order(autojump_clock: MockClock) -> None:
    call = ToolCall("call_1", "light", {"on": True})
    async with site() as web:
        answer = await web.house.ask(
            turn(
                "on",
                Message("assistant", tool_calls=(call,)),
                Message("tool", "{}", tool_call_id="call_1"),
                Message("user", "and?", images=("aGk=",)),
                conversation_id="odd:id@1",
            )
        )
        assert "owu:odd:id@1" == answer.conversation_id
        found = await web.get(f"/v1/conversations/{answer.conversation_id}")
        assert (answer.conversation_id, "on") == (found["id"], found["title"])
        tool, user, said = found["messages"]
        assert ("tool", "{}", "call_1") == (tool["role"], tool["content"], tool["tool_call_id"])
        assert 1 == user["images"]
        assert ("assistant", "You said and?", answer.run_id) == (said["role"], said["content"], said["run_id"])
        assert user["key"] == said["parent_key"]
        assert "2027-01-15T08:00:00.000000Z" == said["timestamp"]
        assert "tool_calls" not in said


@pytest.mark.parametrize("path", ["/v1/conversations/c_unknown", "/v1/conversations/c_unknown?x=1"])
async def test_an_unknown_conversation_is_404(path: str, autojump_clock: MockClock) -> None:
    async with site() as web:
        assert (404, "not_found", "conversation_not_found") == await web.refused("GET", path)


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "00"])
async def test_a_limit_that_makes_no_sense_is_400(limit: str, autojump_clock: MockClock) -> None:
    async with site() as web:
        assert (400, "invalid_request_error", "invalid_request") == await web.refused(
            "GET", f"/v1/conversations?limit={limit}"
        )
