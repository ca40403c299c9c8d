from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations import doubles
from tests.conversations.doubles import turn
from tests.http.native.native import site
from thane.turn import Message, RunFailed, ToolCall


async def test_without_conversations_the_list_is_empty_and_not_null(autojump_clock: MockClock) -> None:
    async with site() as web:
        assert {"conversations": [], "count": 0, "next": None} == await web.get("/v1/conversations")


async def test_the_list_comes_newest_first_in_pages(autojump_clock: MockClock) -> None:
    async with site() as web:
        for text in ("one", "two", "three"):
            await trio.sleep(1)
            await web.house.ask(turn(text))
        first = await web.get("/v1/conversations?limit=2")
        assert (["three", "two"], 3) == ([each["title"] for each in first["conversations"]], first["count"])
        rest = await web.get(f"/v1/conversations?limit=2&cursor={first['next']}")
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


async def test_branches_are_told_the_one_last_spoken_in_first(autojump_clock: MockClock) -> None:
    async with site() as web:
        id_ = (await web.house.ask(turn("one", conversation_id="chat"))).conversation_id
        said = Message("assistant", "You said one")
        await web.house.ask(turn("one", said, "two", conversation_id="chat"))
        await web.house.ask(turn("one", said, "three", conversation_id="chat"))
        found = await web.get(f"/v1/conversations/{id_}")
        words = {each["id"]: each["content"] for each in found["messages"]}
        ways = [[words[each] for each in branch["messages"]] for branch in found["branches"]]
        assert [
            ["one", "You said one", "three", "You said three"],
            ["one", "You said one", "two", "You said two"],
        ] == ways
        assert [True, False] == [branch["is_current"] for branch in found["branches"]]


async def test_a_conversation_is_renamed_and_put_away_and_taken_out_by_a_turn(autojump_clock: MockClock) -> None:
    async with site() as web:
        id_ = (await web.house.ask(turn("one", conversation_id="chat"))).conversation_id
        changed = await web.send("PATCH", f"/v1/conversations/{id_}", {"title": " A\nname ", "archived": True})
        assert ("A name", "person", True) == (changed["title"], changed["title_by"], changed["archived"])
        assert 0 == (await web.get("/v1/conversations"))["count"]
        assert 1 == (await web.get("/v1/conversations?archived=true"))["count"]
        assert 1 == (await web.get("/v1/conversations?archived=all"))["count"]
        assert "A name" in [status.metadata.get("title") for status in web.house.loops.statuses()]
        changed = await web.send("PATCH", f"/v1/conversations/{id_}", {"archived": False})
        assert not changed["archived"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ([], "invalid_request"),
        ({"title": "  "}, "invalid_title"),
        ({"title": 1}, "invalid_title"),
        ({"archived": "yes"}, "invalid_request"),
    ],
)
async def test_a_change_that_makes_no_sense_is_400(body: object, code: str, autojump_clock: MockClock) -> None:
    async with site() as web:
        id_ = (await web.house.ask(turn("one"))).conversation_id
        answer = await web.served.ask("PATCH", f"/v1/conversations/{id_}", msgspec.json.encode(body))
        assert (400, code) == (answer.status, msgspec.json.decode(answer.body)["error"]["code"])


async def test_a_deleted_conversation_is_gone_and_what_ran_in_it_has_ended(autojump_clock: MockClock) -> None:
    async with site(doubles.Gate()) as web:
        async with web.house.conversations.open(turn("one", conversation_id="chat")) as opened:
            await wait_all_tasks_blocked()
            gone = await web.send("DELETE", f"/v1/conversations/{opened.conversation_id}")
            assert {"id": opened.conversation_id, "status": "deleted"} == gone
            events = [event async for batch in opened.batches for event in batch]
            assert isinstance(events[-1], RunFailed)
            assert "cancelled" == events[-1].failure
        assert (404, "not_found", "conversation_not_found") == await web.refused(
            "GET", f"/v1/conversations/{opened.conversation_id}"
        )
        assert [] == [each for each in web.house.loop_names() if "/" in each]
        [kept] = web.house.archive.stored.values()
        assert ("", "", "", ()) == (kept.conversation_id, kept.text, kept.title, kept.tool_calls)
        assert [] == web.house.archive.said


async def test_nobody_is_known_by_a_deleted_conversation(autojump_clock: MockClock) -> None:
    async with site() as web:
        first = (await web.house.ask(turn("one"))).conversation_id
        await web.send("DELETE", f"/v1/conversations/{first}")
        again = await web.house.ask(turn("one", Message("assistant", "You said one"), "two"))
        assert again.conversation_id != first


async def test_it_is_exported_as_markdown_and_as_json(autojump_clock: MockClock) -> None:
    async with site() as web:
        id_ = (await web.house.ask(turn("one", conversation_id="chat"))).conversation_id
        await web.house.ask(turn("```\nodd", conversation_id="chat"))
        answer = await web.served.ask("GET", f"/v1/conversations/{id_}/export")
        assert "text/markdown; charset=utf-8" == answer.headers["content-type"]
        assert 'attachment; filename="conversation-owu-chat.md"' == answer.headers["content-disposition"]
        text = answer.body.decode()
        assert text.startswith("# one\n")
        assert "### Assistant [08:00:00] · model\n\nYou said one" in text
        assert "## Another branch" in text
        answer = await web.served.ask("GET", f"/v1/conversations/{id_}/export?format=json")
        assert await web.get(f"/v1/conversations/{id_}") == msgspec.json.decode(answer.body)
        assert (400, "invalid_request_error", "invalid_request") == await web.refused(
            "GET", f"/v1/conversations/{id_}/export?format=pdf"
        )


async def test_a_native_client_goes_on_in_any_conversation(autojump_clock: MockClock) -> None:
    async with site() as web:
        id_ = (await web.house.ask(turn("one", conversation_id="chat"))).conversation_id
        said = await web.send("POST", f"/v1/conversations/{id_}/messages", {"message": "two"})
        assert ("You said two", id_) == (said["response"], said["conversation_id"])
        assert ["one", "You said one", "two"] == [each.content for each in web.house.agent.turns[-1].messages]
        body = msgspec.json.encode({"message": "three", "stream": True})
        answer = await web.served.ask("POST", f"/v1/conversations/{id_}/messages", body)
        assert "text/event-stream" == answer.headers["content-type"]
        assert b'"response":"You said three"' in answer.body
        found = await web.get(f"/v1/conversations/{id_}")
        assert (1, "owu", 6) == (len(found["branches"]), found["channel"], len(found["messages"]))
        answer = await web.served.ask("POST", "/v1/conversations/c_0123456789abcdef/messages", body)
        assert 404 == answer.status


@pytest.mark.parametrize(
    "query",
    [
        *("sort=size", "order=up", "channel=x", "archived=maybe", "updated_after=soon", "min_messages=-1"),
        *("cursor=nonsense", "cursor=WyJ1cGRhdGVkIGFzYyIsMSwiYyJd"),
    ],
)
async def test_a_query_that_makes_no_sense_is_400(query: str, autojump_clock: MockClock) -> None:
    async with site() as web:
        assert (400, "invalid_request_error", "invalid_request") == await web.refused(
            "GET", f"/v1/conversations?{query}"
        )


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
