"""Whose conversation is it, where answers were stopped, failed, edited, or gone on with."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.conversations.chats import Chat, house_brain
from tests.conversations.doubles import Send, assistant, finished, rooms, turn, user
from thane.agent.context import RunContext
from thane.turn import Channel, RunFailed, RunFinished, Text, Turn


async def test_a_stopped_answer_that_comes_back_in_part_continues_its_conversation(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "owu")
        await chat.stop("slow", keeps=3)
        await chat.say("go on")
        assert 1 == len(set(chat.conversations))
        said = house.archive.of(chat.conversations[0])
        assert ["slow", "Don", "go on", "Done: go on."] == [each.message.content for each in said]
        assert [each.key for each in said[:-1]] == [each.parent_key for each in said[1:]]


async def test_an_answer_that_was_complete_but_not_received_whole_continues_its_conversation(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        with trio.move_on_after(1):
            async with house.conversations.open(turn("one")):
                await trio.sleep_forever()
        (run,) = house.archive.stored.values()
        assert "done" == run.state
        answer = await house.ask(turn("one", assistant("Done"), "two"))
        assert run.conversation_id == answer.conversation_id


async def test_an_answer_that_was_being_stored_when_its_client_left_continues_its_conversation(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain) as house:
        house.archive.delay = 5
        with trio.move_on_after(1):
            async with house.conversations.open(turn("one")) as opened:
                while await opened.batches.receive():
                    pass
        await house.conversations.wait_idle()
        (run,) = house.archive.stored.values()
        assert "done" == run.state
        answer = await house.ask(turn("one", assistant("Done"), "two"))
        assert run.conversation_id == answer.conversation_id


async def test_an_answer_that_the_client_edited_is_kept_but_nobody_is_known_by_it(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "owu")
        for text in ("one", "two"):
            await chat.say(text)
        chat.history[-1] = assistant("edited")
        await chat.say("three")
        assert 1 == len(set(chat.conversations))
        said = house.archive.of(chat.conversations[0])
        edited, question = said[-3:-1]
        assert ("edited", "~", edited.key) == (edited.message.content.strip(), edited.key[0], question.parent_key)


async def test_a_part_of_an_answer_that_is_another_chats_whole_answer_is_not_mixed_with_it(
    autojump_clock: MockClock,
) -> None:
    answers = iter(["Yes. And more", "Yes."])

    async def brain(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        text = next(answers, "ok")
        await send((Text(text),))
        if text == "Yes. And more":
            await trio.sleep_forever()
        return finished(context, text)

    async with rooms(brain) as house:
        with trio.move_on_after(1):
            async with house.conversations.open(turn("same")):
                await trio.sleep_forever()
        await house.conversations.wait_idle()
        (stopped,) = house.archive.stored.values()
        whole = await house.ask(turn("same"))
        next_of_stopped = await house.ask(turn("same", assistant("Yes."), "mine"))
        assert next_of_stopped.conversation_id not in (whole.conversation_id, stopped.conversation_id)


async def test_a_failed_turn_does_not_break_the_conversation(autojump_clock: MockClock) -> None:
    channels: tuple[Channel, ...] = ("owu", "ha", "api")
    for channel in channels:
        async with rooms(house_brain) as house:
            chat = Chat(house, channel)
            for text in ("one", "fail", "two", "fail", "fail", "three"):
                await chat.say(text)
            assert 1 == len(set(chat.conversations))


async def test_a_failure_told_as_the_answer_is_known_again(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        failed = await house.ask(turn("fail"))
        assert isinstance(failed.final, RunFailed)
        answer = await house.ask(turn("fail", assistant(failed.final.message), "two"))
        assert failed.conversation_id == answer.conversation_id


async def test_an_answer_that_is_gone_on_with_is_one_message_beside_the_one_before(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        first = await house.ask(turn("one"))
        begun = (user("one"), assistant("You said one"))
        more = await house.ask(turn(*begun))
        assert first.conversation_id == more.conversation_id
        whole = begun[1].content + more.text
        assert ["one", "You said one", whole] == [
            each.message.content for each in house.archive.of(first.conversation_id)
        ]
        said = house.archive.of(first.conversation_id)
        assert [said[0].key] * 2 == [each.parent_key for each in said[1:]]
        assert [0, 1, 1] == [each.position for each in said]
        after = await house.ask(turn(user("one"), assistant(whole + "\n"), "two"))
        assert first.conversation_id == after.conversation_id
        third = await house.ask(turn(user("one"), assistant(whole), user("two"), assistant(after.text)))
        fourth = await house.ask(turn(user("one"), assistant(whole), "two", assistant(after.text + third.text), "five"))
        assert first.conversation_id == third.conversation_id == fourth.conversation_id


async def test_a_turn_that_goes_on_keeps_its_number(autojump_clock: MockClock) -> None:
    numbers: list[int] = []

    async def watched(asked: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
        numbers.extend(run.turn_number for run in house.conversations.running())
        return await house_brain(asked, context, send)

    async with rooms(watched) as house:
        chat = Chat(house, "ha")
        for text in ("off lamp", "two", "off fan", "four"):
            await chat.say(text)
        assert [1, 1, 2, 3, 3, 4] == numbers
