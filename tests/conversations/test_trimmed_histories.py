"""Whose conversation is it, where the client sends only the end of its history."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.conversations.chats import Chat, house_brain
from tests.conversations.doubles import assistant, rooms, turn
from thane.turn import Channel


async def test_the_rest_of_a_trimmed_history_is_not_mistaken_for_the_whole_of_another_chat(
    autojump_clock: MockClock,
) -> None:
    channels: tuple[Channel, ...] = ("ha", "api")
    for channel in channels:
        async with rooms(house_brain) as house:
            long, short = Chat(house, channel, max_history=1), Chat(house, channel)
            for text in ("one", "two", "same"):
                await long.say(text)
            await short.say("same")
            await long.say("go on")  # sends no more than `short` would
            assert long.conversations[-1] not in short.conversations


async def test_nor_is_it_when_its_own_conversation_was_forgotten(autojump_clock: MockClock) -> None:
    async with rooms(house_brain, remembered=1) as house:
        long, short = Chat(house, "ha", max_history=1), Chat(house, "ha")
        for text in ("one", "two", "same"):
            await long.say(text)
        await short.say("same")
        await long.say("go on")
        assert long.conversations[-1] not in short.conversations


async def test_a_trimmed_history_whose_conversation_was_forgotten_is_not_given_to_one_that_ended_alike(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain, remembered=2) as house:
        chats = [Chat(house, "ha", max_history=1) for _ in range(2)]
        for chat, text in zip(chats, ("a", "b"), strict=True):
            for each in (text, "same", "same again"):
                await chat.say(each)
        await house.ask(turn("someone else", channel="ha"))
        await chats[0].say("go on")
        assert chats[0].conversations[-1] not in chats[1].conversations


async def test_home_assistants_trimmed_history_continues_its_conversation(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chat = Chat(house, "ha", max_history=2)
        for number in range(8):
            await chat.say(f"say {number}")
            await trio.sleep(10)
        await chat.say("off lamp")
        await chat.say("thanks")
        assert 1 == len(set(chat.conversations))


async def test_two_trimmed_histories_that_end_alike_are_not_mixed(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        chats = [Chat(house, "ha", max_history=1) for _ in range(2)]
        for text in ("one", "two", "three", "four"):
            for chat in chats:
                await chat.say(f"{chats.index(chat)} {text}" if text == "one" else text)
        assert set() == set(chats[0].conversations) & set(chats[1].conversations)


async def test_a_history_that_home_assistant_has_ended_is_not_taken_up_again(autojump_clock: MockClock) -> None:
    async with rooms(house_brain) as house:
        first = await house.ask(turn("hi", channel="ha"))
        await trio.sleep(601)
        second = await house.ask(turn("hi", assistant("Hello!"), "more", channel="ha"))
        assert first.conversation_id != second.conversation_id


async def test_forgetting_a_home_assistant_conversation_makes_trimmed_histories_unsure_for_a_while(
    autojump_clock: MockClock,
) -> None:
    async with rooms(house_brain, remembered=2) as house:
        chat = Chat(house, "ha", max_history=1)
        for text in ("one", "two", "three"):
            await chat.say(text)
        assert 1 == len(set(chat.conversations))
        for text in ("a", "b"):
            await house.ask(turn(text, channel="ha"))
        await chat.say("four")
        assert chat.conversations[-1] != chat.conversations[0]
