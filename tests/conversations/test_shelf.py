"""A better title takes the place of the first words, for the chat that it was made for."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Send, assistant, rooms, say, turn
from thane.agent.context import RunContext
from thane.config.settings import Models
from thane.conversations import housekeeping
from thane.turn import Message, RunFinished, Turn

MODELS = Models(default="m")
PROMPT = "### Task:\nGenerate a concise title\n<chat_history>\n{}\n</chat_history>"


def asked_title(history: str, chat: str = "") -> Turn:
    return turn(PROMPT.format(history), conversation_id=chat)


async def titled(asked: Turn, context: RunContext, send: Send) -> RunFinished:
    if asked.caller.task:
        return await say('{"title": "A day at \\"sea\\""}', asked, context, send)
    return await say("Yes.", asked, context, send)


async def test_a_chat_that_is_named_gets_its_title(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        await house.ask(turn("hi", conversation_id="one"))
        await wait_all_tasks_blocked()
        await house.ask(turn("hi", conversation_id="two"))
        await house.ask(asked_title("USER: hi\nASSISTANT: Yes.", "one"))
        await wait_all_tasks_blocked()
        records = house.archive.records
        assert ('A day at "sea"', "model", "hi") == (
            records["owu:one"].title,
            records["owu:one"].title_by,
            records["owu:two"].title,
        )
        assert 'A day at "sea"' in [status.metadata.get("title") for status in house.loops.statuses()]
        await house.ask(turn("hi", assistant("Yes."), "on", conversation_id="one"))
        await wait_all_tasks_blocked()
        assert 'A day at "sea"' == records["owu:one"].title


async def test_a_title_that_comes_before_its_chat_is_kept_for_it(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        await house.ask(asked_title("USER: hi", "one"))
        await wait_all_tasks_blocked()
        await house.ask(turn("hi", conversation_id="one"))
        await wait_all_tasks_blocked()
        assert ('A day at "sea"', "model") == (
            house.archive.records["owu:one"].title,
            house.archive.records["owu:one"].title_by,
        )


async def test_a_title_that_comes_first_and_quotes_the_question_finds_its_chat(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        await house.ask(asked_title("USER: hi\nASSISTANT: "))
        await wait_all_tasks_blocked()
        ids = [(await house.ask(turn("hi"))).conversation_id for _ in range(2)]
        assert ['A day at "sea"', "hi"] == [house.archive.records[each].title for each in ids]


async def test_each_of_two_chats_that_begin_alike_gets_the_title_made_before_it(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        for _ in range(2):
            await house.ask(asked_title("USER: hi"))
            await wait_all_tasks_blocked()
            await house.ask(turn("hi"))
        assert ['A day at "sea"'] * 2 == [record.title for record in house.archive.records.values()]


async def test_a_title_that_comes_while_the_first_turn_runs_finds_its_chat(autojump_clock: MockClock) -> None:
    async def slowly(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        await trio.sleep(0 if asked.caller.task else 9)
        return await titled(asked, context, send)

    async with rooms(slowly, models=MODELS) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.ask, turn("hi"))
        await wait_all_tasks_blocked()
        await house.ask(asked_title("USER: hi"))
        await trio.sleep(20)
        assert ['A day at "sea"'] == [record.title for record in house.archive.records.values()]


async def test_without_a_name_the_quoted_chat_tells_which_it_is_for(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        ids = [(await house.ask(turn(text))).conversation_id for text in ("hi", "hi there")]
        await house.ask(asked_title("USER: hi\nASSISTANT: Yes."))
        await wait_all_tasks_blocked()
        assert ['A day at "sea"', "hi there"] == [house.archive.records[each].title for each in ids]


async def test_a_persons_title_is_not_replaced(autojump_clock: MockClock) -> None:
    async with rooms(titled, models=MODELS) as house:
        await house.ask(turn("hi", conversation_id="one"))
        await wait_all_tasks_blocked()
        await house.conversations.shelf.rename("owu:one", "Mine")
        await house.ask(asked_title("USER: hi\nASSISTANT: Yes.", "one"))
        await wait_all_tasks_blocked()
        assert "Mine" == house.archive.records["owu:one"].title


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ('{"title": "Boats"}', "Boats"),
        ('Sure!\n```json\n{ "title" : "⛵ Boats \\u00e9" }\n```', "⛵ Boats é"),
        ("**Boats at sea**", ""),
        ('{"tags": []}', ""),
        ("One.\nTwo.", ""),
        ('{"title": "\\x"}', ""),
    ],
)
def test_a_title_is_read_from_what_models_answer(answer: str, title: str) -> None:
    assert title == housekeeping.title_of(answer)


def test_a_quoted_chat_is_read_as_it_was_said() -> None:
    asked = asked_title("USER: one\nand more\nASSISTANT: Yes: no.\nSYSTEM: x")
    assert (Message("user", "one\nand more"), Message("assistant", "Yes: no.")) == housekeeping.quoted(asked)
    assert (Message("user", "one"),) == housekeeping.quoted(asked_title("USER: one\nASSISTANT: "))
    answer = housekeeping.answer("title_generation", asked_title("USER: one\nASSISTANT: "))
    assert '{"title":"one"}' == answer
