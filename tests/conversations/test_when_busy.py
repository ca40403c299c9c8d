"""A message that comes while a turn of its conversation runs: it waits, or it ends that turn and sees what was said."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Answer, Rooms, Send, assistant, finished, rooms, say, turn, user
from thane.agent.context import RunContext
from thane.config.settings import WhenBusy
from thane.turn import RunFailed, RunFinished, RunStarted, Text, Turn

INTERRUPT = WhenBusy(owu="interrupt", ha="interrupt", api="interrupt")


async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
    """Says a word at once and another one much later; to `stop` it answers at once."""
    if asked.messages[-1].content == "stop":
        return await say("Stopped.", asked, context, send)
    await send((RunStarted(context.run_id, context.conversation_id, context.caller.channel, ""), Text("Once")))
    await trio.sleep(60)
    await send((Text(" upon a time"),))
    return finished(context, "Once upon a time")


async def both(house: Rooms, first: Turn, second: Turn) -> tuple[Answer, Answer]:
    """The second turn comes while the first one is answered."""
    answers: dict[int, Answer] = {}

    async def ask(number: int, asked: Turn) -> None:
        answers[number] = await house.ask(asked)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, 1, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, 2, second)
    return answers[1], answers[2]


async def test_it_waits_unless_told_otherwise(autojump_clock: MockClock) -> None:
    async with rooms(slow) as house:
        first, second = await both(house, turn("tell", conversation_id="x"), turn("stop", conversation_id="x"))
        assert isinstance(first.final, RunFinished)
        assert isinstance(second.final, RunFinished)
        assert 60 <= trio.current_time() < 61


async def test_it_ends_the_turn_that_runs(autojump_clock: MockClock) -> None:
    async with rooms(slow, when_busy=INTERRUPT) as house:
        first, second = await both(house, turn("tell", conversation_id="x"), turn("stop", conversation_id="x"))
        assert isinstance(first.final, RunFailed)
        assert ("cancelled", "interrupted", "Once") == (
            first.final.failure,
            house.archive.stored[first.run_id].cancelled_by,
            house.archive.stored[first.run_id].text,
        )
        assert isinstance(second.final, RunFinished)
        assert 0 == trio.current_time()
        assert (user("tell"), assistant("Once"), user("stop")) == house.agent.turns[-1].messages


async def test_a_native_client_sees_it_in_the_history(autojump_clock: MockClock) -> None:
    async with rooms(slow, when_busy=INTERRUPT) as house:
        asked = [
            turn(text, channel="api", conversation_id="c_0123456789abcdef", continues=True) for text in ("tell", "stop")
        ]
        await both(house, *asked)
        assert (user("tell"), assistant("Once"), user("stop")) == house.agent.turns[-1].messages


async def test_what_the_client_sends_of_it_is_not_said_twice(autojump_clock: MockClock) -> None:
    history = (user("hi"), assistant("Stopped."), user("tell"))
    async with rooms(slow, when_busy=INTERRUPT) as house:
        await both(house, turn(*history, conversation_id="x"), turn(*history, "stop", conversation_id="x"))
        assert (*history, assistant("Once"), user("stop")) == house.agent.turns[-1].messages
    async with rooms(slow, when_busy=INTERRUPT) as house:
        part = assistant("On")  # Open WebUI shows what had come
        await both(house, turn(*history, conversation_id="x"), turn(*history, part, "stop", conversation_id="x"))
        assert (*history, part, user("stop")) == house.agent.turns[-1].messages
    async with rooms(slow, when_busy=INTERRUPT) as house:
        nothing = assistant("")  # nor that
        await both(house, turn(*history, conversation_id="x"), turn(*history, nothing, "stop", conversation_id="x"))
        assert (*history, assistant("Once"), user("stop")) == house.agent.turns[-1].messages


async def test_the_same_message_for_another_model_interrupts_nobody(autojump_clock: MockClock) -> None:
    async with rooms(slow, when_busy=INTERRUPT) as house:
        first, second = await both(house, turn("tell", conversation_id="x"), turn("tell", conversation_id="x"))
        assert isinstance(first.final, RunFinished)
        assert isinstance(second.final, RunFinished)


async def test_another_conversation_or_channel_is_not_interrupted(autojump_clock: MockClock) -> None:
    async with rooms(slow, when_busy=INTERRUPT) as house:
        first, _ = await both(house, turn("tell", conversation_id="x"), turn("stop", conversation_id="y"))
        assert isinstance(first.final, RunFinished)
    async with rooms(slow, when_busy=WhenBusy(ha="interrupt")) as house:
        first, _ = await both(house, turn("tell", conversation_id="x"), turn("stop", conversation_id="x"))
        assert isinstance(first.final, RunFinished)
