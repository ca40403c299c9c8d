"""Whose conversation is it? Clients as they really behave, through the tracker."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.conversations.chats import TOOL, Chat, house_brain
from tests.conversations.doubles import FakeArchive, assistant, rooms, turn, user
from thane.turn import Message, RunFinished, ToolCall


async def test_a_linear_chat_stays_in_one_conversation_and_stores_each_message_once(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "owu")
        for text in ("one", "two", "off lamp", "three"):
            await chat.say(text)
        assert 1 == len(set(chat.conversations))
        said = house.archive.of(chat.conversations[0])
        assert [message.role for message in chat.history] == [each.message.role for each in said]
        assert [each.key for each in said[:-1]] == [each.parent_key for each in said[1:]]
        assert list(range(len(said))) == [each.position for each in said]
        assert (5, "one") == (len(house.archive.stored), house.archive.records[chat.conversations[0]].title)


async def test_chats_that_begin_alike_are_kept_apart(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chats = [Chat(house, "owu") for _ in range(3)]
        for text in ("hi", "one", "two"):
            for chat in chats:
                await chat.say(text)
        assert set() == set(chats[0].conversations) & set(chats[1].conversations)
        assert set() == set(chats[1].conversations) & set(chats[2].conversations)
        assert 1 == len(house.loops.statuses()) - 3 - sum(len(set(chat.conversations)) for chat in chats) + 1


async def test_a_chat_that_cannot_be_told_from_another_goes_on_in_one_new_conversation(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        one, other = Chat(house, "owu"), Chat(house, "owu")
        await one.say("hi")
        await other.say("hi")
        await one.say("about me")
        await one.say("more")
        assert one.conversations[1] not in (one.conversations[0], other.conversations[0])
        assert one.conversations[1] == one.conversations[2]


async def test_regenerating_and_editing_branch_within_the_conversation(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "owu")
        for text in ("one", "two", "three"):
            await chat.say(text)
        await chat.regenerate()
        await chat.edit(1, "two again")
        assert 1 == len(set(chat.conversations))
        said = house.archive.of(chat.conversations[0])
        contents = [each.message.content for each in said]
        assert 1 == contents.count("three")
        edited = next(each for each in said if each.message.content == "two again")
        assert said[1].key == edited.parent_key
        assert (2, "Done: one.") == (edited.position, said[1].message.content)


async def test_two_alike_tool_rounds_are_told_apart_by_the_ids_of_their_calls(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        finals = [await house.ask(turn("off lamp", channel="api", tools=(TOOL,))) for _ in range(2)]
        for first in finals:
            assert isinstance(first.final, RunFinished)
            (call,) = first.final.client_calls
            back = Message("assistant", tool_calls=(call,))
            result = Message("tool", "ok", tool_call_id=call.id)
            answer = await house.ask(turn("off lamp", back, result, channel="api", tools=(TOOL,)))
            assert first.conversation_id == answer.conversation_id


async def test_of_two_alike_tool_rounds_without_ids_the_second_is_told_once_the_first_has_moved_on(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        one = Chat(house, "ha")
        await one.say("off lamp")  # call and result, to the end
        other = await house.ask(turn("off lamp", channel="ha", tools=(TOOL,)))
        back = Message("assistant", tool_calls=(ToolCall("x", "HassTurnOff", {"name": "off lamp"}),))
        answer = await house.ask(turn("off lamp", back, Message("tool", "ok"), channel="ha", tools=(TOOL,)))
        assert other.conversation_id == answer.conversation_id
        assert 1 == len(set(one.conversations))


async def test_the_history_of_another_channel_is_not_continued(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        first = await house.ask(turn("one", channel="owu"))
        second = await house.ask(turn("one", assistant("Done: one."), "two", channel="api"))
        assert first.conversation_id != second.conversation_id


async def test_an_imported_history_begins_a_conversation_and_goes_on_in_it(autojump_clock: MockClock) -> None:
    """The answers that it brings are not Thane's: two clients that begin with the same examples are not mixed."""
    examples = (user("2+2"), assistant("4"), user("3+3"), assistant("6"))
    async with rooms(house_brain) as house:
        one = await house.ask(turn(*examples, "4+4", channel="api"))
        other = await house.ask(turn(*examples, "5+5", channel="api"))
        assert one.conversation_id != other.conversation_id
        again = await house.ask(turn(*examples, "4+4", assistant("Done: 4+4."), "and 9", channel="api"))
        assert one.conversation_id == again.conversation_id
        assert ["4+4", "Done: 4+4.", "and 9", "Done: and 9."] == [
            each.message.content for each in house.archive.of(one.conversation_id)
        ]


async def test_an_explicit_id_goes_before_the_history(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        one = await house.ask(turn("hi", conversation_id="a"))
        other = await house.ask(turn("hi", conversation_id="b"))
        for first, name in ((one, "a"), (other, "b")):
            second = await house.ask(turn("hi", assistant("Hello!"), "more", conversation_id=name))
            assert first.conversation_id == second.conversation_id == f"owu:{name}"
        unnamed = await house.ask(turn("hi", assistant("Hello!"), "more"))
        assert unnamed.conversation_id not in (one.conversation_id, other.conversation_id)


async def test_a_named_conversation_keeps_its_branches(autojump_clock: MockClock) -> None:
    async with rooms(house_brain, idle_seconds=10) as house:
        for messages in (("one",), ("one", assistant("Done: one."), "two"), ("one edited",), ("one",)):
            await house.ask(turn(*messages, conversation_id="a"))
            await trio.sleep(20)  # its loop ends each time
        said = house.archive.of("owu:a")
        assert ["one", "Done: one.", "two", "Done: two.", "one edited", "Done: one edited."] == [
            each.message.content for each in said
        ]
        assert ["", "", said[1].key] == [said[0].parent_key, said[4].parent_key, said[2].parent_key]


async def test_a_home_assistant_that_changes_its_key_each_turn_is_known_by_its_history(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        first = await house.ask(turn("one", channel="ha", conversation_id="ha:1"))
        second = await house.ask(turn("one", assistant("Done: one."), "two", channel="ha", conversation_id="ha:2"))
        assert "ha:ha:1" != first.conversation_id == second.conversation_id == "ha:1"
        third = await house.ask(turn("new", channel="ha", conversation_id="ha:3"))
        assert "ha:3" == third.conversation_id


async def test_the_user_tells_two_alike_chats_apart(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        firsts = {name: await house.ask(turn("hi", person=name)) for name in ("ann", "bob")}
        for name, first in firsts.items():
            second = await house.ask(turn("hi", assistant("Hello!"), "more", person=name))
            assert first.conversation_id == second.conversation_id
        stranger = await house.ask(turn("hi", assistant("Hello!"), "more", person="cid"))
        assert stranger.conversation_id not in {first.conversation_id for first in firsts.values()}


async def test_a_conversation_is_found_again_after_a_restart(autojump_clock: MockClock) -> None:
    archive = FakeArchive()
    async with rooms(house_brain, archive=archive) as house:
        first = await house.ask(turn("one"))
    async with rooms(house_brain, archive=archive, seed=1) as house:
        second = await house.ask(turn("one", assistant("Done: one."), "two"))
        assert first.conversation_id == second.conversation_id
        assert "owu/one" == house.loop_names()[-1]


async def test_several_models_asked_at_once_are_branches_of_one_conversation(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        first = await house.ask(turn("hi"))
        asked = turn(user("hi"), assistant("Hello!"), "slow")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(house.ask, asked)
        assert ["hi", "Hello!", "slow", "Done: slow."] == [
            each.message.content for each in house.archive.of(first.conversation_id)
        ]
        assert 4 == len(house.archive.stored)
        assert 1 == len(house.archive.records)


async def test_the_rounds_of_a_clients_tools_are_one_turn(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "ha")
        await chat.say("one")
        await chat.say("off lamp")
        await chat.say("three")
        runs = [house.archive.stored[run.id] for run in house.archive.started]
        first, call, back, last = runs
        assert [first.id, call.id, call.id, last.id] == [run.turn_id for run in runs]
        assert 1 == len(set(chat.conversations))
        assert [first.id, call.id, call.id, last.id] == [each["turn_id"] for each in house.events.of("request_start")]
        assert back.id != call.id


async def test_a_turn_is_there_while_its_client_runs_tools_until_it_comes_back(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        shown = list[tuple[str, str, list[str]]]()

        async def look() -> None:
            while True:
                for run in (*house.conversations.running(), *house.conversations.between_rounds()):
                    going = [span.name for span in run.spans if span.state == "running" and span.kind == "tool"]
                    if not shown or shown[-1] != (run.state, run.run_id, going):
                        shown.append((run.state, run.run_id, going))
                await trio.sleep(0.01)

        chat = Chat(house, "ha")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            chat.tools_take = 5.0
            await chat.say("off lamp")
            nursery.cancel_scope.cancel()
        call, back = house.archive.started
        assert ("waiting", call.id, ["HassTurnOff"]) in shown
        assert {call.id, back.id} >= {run_id for _, run_id, _ in shown}
        assert () == house.conversations.between_rounds()


async def test_a_client_that_never_comes_back_from_its_tools_is_given_up(autojump_clock: MockClock) -> None:
    async with rooms(house_brain, client_tools_seconds=30.0) as house:
        await house.ask(turn("off lamp", channel="ha"))
        await trio.sleep(29)
        (waits,) = house.conversations.between_rounds()
        assert ("waiting", "waiting for the client's tools") == (waits.state, waits.what)
        await trio.sleep(2)
        assert () == house.conversations.between_rounds()


async def test_what_is_said_else_ends_the_wait_for_a_clients_tools(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        await house.ask(turn("off lamp", channel="ha", conversation_id="c_1"))
        assert 1 == len(house.conversations.between_rounds())
        await house.ask(turn("three", channel="ha", conversation_id="c_1"))
        assert () == house.conversations.between_rounds()
        await house.ask(turn("off lamp", channel="ha", conversation_id="c_1"))
        await house.conversations.shelf.delete("ha:c_1", "owner")
        assert () == house.conversations.between_rounds()
