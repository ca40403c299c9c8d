"""Whose conversation is it? Clients as they really behave, through the tracker."""

from __future__ import annotations

from typing import Any

import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import MockClock

from tests.conversations.doubles import FakeArchive, Rooms, Send, assistant, finished, rooms, say, turn, user
from thane.agent.context import RunContext
from thane.conversations.words import RETRIEVAL, spoken
from thane.turn import Channel, Message, RunFailed, RunFinished, RunStarted, Text, ToolCall, ToolSpec, Turn, Usage

TOOL = ToolSpec("HassTurnOff")


def reply(text: str) -> str:
    """What the house answers, always the same to the same words: nothing else tells two chats apart."""
    return {"hi": "Hello!", "hey": "Hello! How can I help?"}.get(text, f"Done: {text}.")


async def house_brain(asked: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
    last = replace(asked.messages[-1], content=spoken(asked.messages[-1].content))
    if last.role == "user" and last.content.startswith("off"):
        await send((RunStarted(context.run_id, context.conversation_id, context.caller.channel, ""),))
        return finished(context, "", (ToolCall(f"call_{context.run_id}", "HassTurnOff", {"name": last.content}),))
    if last.role == "user" and last.content == "fail":
        return RunFailed(context.run_id, "unavailable", "The model is down.", Usage(), 0.0)
    said = next(spoken(message.content) for message in reversed(asked.messages) if message.role == "user")
    text = reply(said)
    if last.content == "slow":
        await send((Text(text[:3]),))
        await trio.sleep(5)
    return await say(text, asked, context, send)


class Chat:
    """One chat of one client. It keeps the history and sends it each time, trimmed to `max_history` if that is set."""

    def __init__(self, house: Rooms, channel: Channel, *, max_history: int = 0, ids: bool = False) -> None:
        self.house = house
        self.channel: Channel = channel
        self.max_history = max_history
        self.ids = ids
        self.history: list[Message] = []
        self.conversations: list[str] = []
        self.last = trio.current_time()

    async def say(self, text: str) -> str:
        self.history.append(user(text))
        return await self.send()

    async def send(self) -> str:
        """Have the history answered, running the client's tools as long as they are called."""
        self.last = trio.current_time()
        answer = await self.house.ask(self._turn())
        self.conversations.append(answer.conversation_id)
        if isinstance(answer.final, RunFailed):
            if self.channel == "ha":  # Home Assistant 2026.11 keeps an error in its history, others drop the turn
                self.history.append(assistant(f"Error: {answer.final.failure}"))
            else:
                self.history.pop()
            return answer.conversation_id
        assert isinstance(answer.final, RunFinished)
        if answer.final.client_calls:
            calls = answer.final.client_calls
            if not self.ids:
                calls = tuple(ToolCall("made up", call.name, call.arguments) for call in calls)
            self.history.append(Message("assistant", tool_calls=calls))
            self.history += [Message("tool", "ok", tool_call_id=call.id if self.ids else "") for call in calls]
            return await self.send()
        self.history.append(assistant(answer.final.text.strip()))
        return answer.conversation_id

    def _turn(self) -> Turn:
        sent = self.history[-(2 * self.max_history + 1) :] if self.max_history else self.history
        sent = [*map(self._as_sent, sent[:-1]), *map(self._as_asked, sent[-1:])]
        return turn(Message("system", f"It is {trio.current_time()}"), *sent, channel=self.channel, tools=(TOOL,))

    def _as_sent(self, message: Message) -> Message:
        """What becomes of earlier messages: thinking is echoed, tool messages are rewritten, spaces come and go."""
        if message.role == "tool":
            return replace(message, content=f"rewritten at {trio.current_time()}")
        if message.role == "assistant" and not message.tool_calls:
            return replace(
                message, content=f"{message.content.strip()}\n", thinking="Hm." if self.channel == "ha" else ""
            )
        return message

    def _as_asked(self, message: Message) -> Message:
        """Open WebUI puts what it has found before the newest message, and only there."""
        if self.channel != "owu" or message.role != "user":
            return message
        return replace(message, content=f"{RETRIEVAL}\n<context>\nit said hi\n</context>\n\n{message.content}")

    async def go_on(self) -> None:
        """Have the last answer gone on with, and keep both as one message."""
        if self.history and self.history[-1].role == "assistant" and self.channel == "owu":
            begun = self.history.pop()
            self.history.append(begun)
            answer = await self.house.ask(self._turn())
            self.conversations.append(answer.conversation_id)
            if isinstance(answer.final, RunFinished) and not answer.final.client_calls:
                self.history[-1] = replace(begun, content=f"{begun.content.strip()}\n{answer.final.text}")

    async def regenerate(self) -> None:
        while self.history and self.history[-1].role != "user":
            self.history.pop()
        if self.history:
            await self.send()

    async def edit(self, place: int, text: str) -> None:
        users = [index for index, message in enumerate(self.history) if message.role == "user"]
        if users:
            del self.history[users[place % len(users)] :]
        await self.say(text)

    async def stop(self, text: str, keeps: int) -> None:
        """Say something and press stop; the client keeps the beginning of what it got."""
        self.history.append(user(text))
        self.last = trio.current_time()
        got = ""
        async with self.house.conversations.open(self._turn()) as opened:
            self.conversations.append(opened.conversation_id)
            with trio.move_on_after(1):
                async for batch in opened.batches:
                    got += "".join(event.text for event in batch if isinstance(event, Text))
                    if got:
                        break
        await self.house.conversations.wait_idle()
        if self.channel == "ha":
            self.history.pop()
        else:
            self.history.append(assistant(got[:keeps]))


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


WORDS = ("hi", "hey", "slow", "off a", "off b", "fail")
moves = st.tuples(
    st.integers(0, 5),  # which chat
    st.sampled_from(["say", "say", "say", "regenerate", "edit", "stop", "go on", "wait", "new"]),
    st.sampled_from(WORDS),
    st.integers(0, 3),
)


async def play(script: list[tuple[int, str, str, int]], together: bool, restart_at: int) -> None:
    """Six chats of six clients that say the same few things; then no two of them may share a conversation."""
    whole = restart_at < len(script)  # only of Home Assistant's chats are the last words known after a start
    kinds: list[tuple[Channel, dict[str, Any]]] = [
        ("owu", {}),
        ("owu", {}),
        ("ha", {}),
        ("ha", {"max_history": 1}),
        ("ha", {"max_history": 2}),
        ("api", {"ids": True} if whole else {"max_history": 1}),
    ]
    archive = FakeArchive()
    every = list[Chat]()
    chats = dict[int, Chat]()
    for part, seed in ((script[:restart_at], 0), (script[restart_at:], 1)):
        async with rooms(house_brain, archive=archive, seed=seed, idle_seconds=100, max_live=3) as house:
            for chat in chats.values():
                chat.house = house
            for pair in zip(part[::2], part[1::2], strict=False) if together else ((move,) for move in part):
                async with trio.open_nursery() as nursery:
                    for number, kind, text, detail in {move[0]: move for move in pair}.values():
                        channel, options = kinds[number]
                        chat = chats.get(number)
                        idle = chat is None or (channel == "ha" and trio.current_time() - chat.last > 300)
                        if chat is None or idle or kind == "new":
                            chat = chats[number] = Chat(house, channel, **options)
                            every.append(chat)
                        nursery.start_soon(_move, chat, kind, text, detail)
    owners = dict[str, Chat]()
    for chat in every:
        for conversation_id in chat.conversations:
            assert chat is owners.setdefault(conversation_id, chat), f"two chats share {conversation_id}"


async def _move(chat: Chat, kind: str, text: str, number: int) -> None:
    match kind:
        case "regenerate":
            await chat.regenerate()
        case "edit":
            await chat.edit(number, text)
        case "stop":
            await chat.stop(text, keeps=number + 1)
        case "go on":
            await chat.go_on()
        case "wait":
            await trio.sleep((1, 60, 200, 700)[number])
        case _:
            await chat.say(text)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, min_size=4, max_size=24), st.booleans(), st.integers(0, 24))
@example([(0, "say", "hi", 0), (1, "say", "hi", 0), (0, "say", "hi", 0), (1, "say", "hi", 0)], False, 24)
@example([(2, "say", "off a", 0), (3, "say", "off a", 0)] * 4, True, 3)
@example([(4, "say", "slow", 0), (3, "say", "hi", 0), (3, "say", "slow", 0), (3, "say", "fail", 0)], False, 1)
@example([(3, "say", "off a", 0), (3, "stop", "hi", 0), (2, "say", "off a", 0), (3, "say", "hi", 0)], False, 9)
@example([(3, "say", "off a", 0), (0, "say", "hi", 0), (2, "say", "off a", 0), (3, "say", "off a", 0)], True, 0)
@example([(3, "say", "slow", 0), (3, "stop", "off a", 0), (2, "say", "slow", 0), (3, "say", "hi", 0)], False, 0)
@example([(3, "say", "fail", 0), (2, "say", "fail", 0), (3, "say", "hi", 0), (0, "say", "hi", 0)], False, 1)
@example([(2, "say", "fail", 0), (3, "say", "fail", 0), (3, "say", "fail", 0), (2, "say", "hi", 0)], False, 0)
def test_no_two_chats_ever_share_a_conversation(
    script: list[tuple[int, str, str, int]], together: bool, restart_at: int
) -> None:
    async def main() -> None:
        await play(script, together, restart_at)

    trio.run(main, clock=MockClock(autojump_threshold=0))


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
