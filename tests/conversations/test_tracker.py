from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, Send, assistant, echo, finished, rooms, say, turn, user
from thane.agent.context import RunContext
from thane.errors import ClientError
from thane.turn import Message, RunFailed, RunFinished, RunStarted, Text, ToolCall, Turn


async def test_a_turn_is_answered_by_its_own_loop_under_its_channel(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        answer = await house.ask(turn("Turn on the kitchen lights please", channel="ha"))
        assert "You said Turn on the kitchen lights please" == answer.text
        assert isinstance(answer.final, RunFinished)
        assert ["owu", "ha", "api", "ha/Turn on the kitchen lig…"] == house.loop_names()
        parent, child = house.loops.statuses()[1], house.loops.statuses()[3]
        assert (parent.id, "waiting", 1) == (child.parent_id, child.state, child.iterations)
        assert (answer.conversation_id,) == child.recent_conv_ids
        assert (10, 5) == (child.total_input_tokens, child.total_output_tokens)
        assert "model" == child.recent_iterations[0].model
        assert answer.conversation_id == child.metadata["conversation_id"]


async def test_the_answer_is_stored_before_the_client_is_told_that_it_is_complete(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        house.archive.delay = 0.5
        async with house.conversations.open(turn("hello")) as opened:
            async for batch in opened.batches:
                for event in batch:
                    assert isinstance(event, RunFinished) == (opened.run_id in house.archive.stored)
        run = house.archive.stored[opened.run_id]
        assert ("done", "You said hello", "hello", opened.conversation_id) == (
            run.state,
            run.text,
            run.title,
            run.conversation_id,
        )
        assert [("user", "hello"), ("assistant", "You said hello")] == [
            (each.message.role, each.message.content) for each in house.archive.of(opened.conversation_id)
        ]
        first, second = house.archive.of(opened.conversation_id)
        assert ("", first.key, 0, 1) == (first.parent_key, second.parent_key, first.position, second.position)


@pytest.mark.parametrize("many", [3, 2500])
async def test_an_answer_that_is_held_comes_with_its_end(autojump_clock: MockClock, many: int) -> None:
    async def chatter(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
        for _ in range(many):
            await trio.lowlevel.checkpoint()
            await send((Text("x"),))
        return finished(context, "x" * many)

    async with rooms(chatter) as house, house.conversations.open(turn("hello")) as opened:
        opened.hold()
        batches = [batch async for batch in opened.batches]
    texts = [event for batch in batches for event in batch if isinstance(event, Text)]
    assert many == len(texts)
    assert isinstance(batches[-1][-1], RunFinished)
    assert many // 1000 + 1 == len(batches)


async def test_an_answer_that_cannot_be_stored_fails_the_turn(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        house.archive.fails = True
        answer = await house.ask(turn("hello"))
        assert isinstance(answer.final, RunFailed)
        assert ("unavailable", "stored" in answer.final.message) == (answer.final.failure, True)
        assert ["request_failed"] == house.events.kinds("request_complete", "request_failed", "request_cancelled")
        house.archive.fails = False
        assert isinstance((await house.ask(turn("again"))).final, RunFinished)


async def test_storing_that_takes_too_long_fails_the_turn_after_the_deadline(autojump_clock: MockClock) -> None:
    async with rooms(record_seconds=3) as house:
        house.archive.delay = 1000
        began = trio.current_time()
        answer = await house.ask(turn("hello"))
        assert isinstance(answer.final, RunFailed)
        assert 3 == trio.current_time() - began


async def test_turns_of_one_conversation_run_one_after_the_other_in_their_order(autojump_clock: MockClock) -> None:
    order = list[str]()

    async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        order.append(asked.messages[-1].content)
        await trio.sleep(1)
        return await echo(asked, context, send)

    async with rooms(slow) as house, trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(house.ask, turn(str(number), conversation_id="same"))
            await wait_all_tasks_blocked()
        await trio.sleep(10)
        assert ["0", "1", "2", "3", "4"] == order
        assert 1 == house.agent.most_running


async def test_turns_of_different_conversations_run_at_the_same_time(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate) as house, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(house.ask, turn(str(number)))
        await wait_all_tasks_blocked()
        assert 20 == house.agent.running
        gate.open.set()


async def test_a_fifth_waiting_turn_of_a_conversation_is_refused_with_429(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, queue_turns=4) as house, trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(house.ask, turn(str(number), conversation_id="same"))
            await wait_all_tasks_blocked()
        with pytest.raises(ClientError, match="4 turns waiting") as refused:
            await house.ask(turn("too many", conversation_id="same"))
        assert (429, "queue_full", 2.0) == (refused.value.status, refused.value.code, refused.value.retry_after)
        gate.open.set()
    assert 5 == len(house.archive.stored)


async def test_a_queued_turn_shows_its_position_and_is_published(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate) as house, trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(house.ask, turn(str(number), conversation_id="same"))
            await wait_all_tasks_blocked()
        runs = house.conversations.running()
        assert [("processing", 0, 1), ("queued", 1, 2), ("queued", 2, 3)] == [
            (run.state, run.position, run.turn_number) for run in runs
        ]
        assert [1, 2] == [data["position"] for data in house.events.of("loop_queued")]
        assert [run.run_id for run in runs[1:]] == [data["run_id"] for data in house.events.of("loop_queued")]
        assert ["running", "queued", "queued"] == [run.state for run in house.archive.started]
        assert 2 == house.loops.statuses()[-1].queued
        assert "waiting, place 2" == runs[2].what
        gate.open.set()


async def test_more_turns_than_may_run_wait_for_a_slot_first_come_first_served(autojump_clock: MockClock) -> None:
    order = list[str]()

    async def slow(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        order.append(asked.messages[-1].content)
        await trio.sleep(1.5 if asked.messages[-1].content == "1" else 1)
        return await echo(asked, context, send)

    async with rooms(slow, max_running=2) as house, trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(house.ask, turn(str(number)))
            await wait_all_tasks_blocked()
        states = {status.name: status.state for status in house.loops.statuses() if "/" in status.name}
        assert ["processing"] * 2 + ["queued"] * 4 == list(states.values())
        assert [0, 0, 1, 2, 3, 4] == [run.position for run in house.conversations.running()]
        assert 4 == house.conversations.statistics().waiting_for_slot
        await trio.sleep(10)
        assert [str(number) for number in range(6)] == order
        assert 2 == house.agent.most_running


async def test_a_slow_client_slows_the_model_down_and_no_one_else(autojump_clock: MockClock) -> None:
    said = dict[str, int]()

    async def chatter(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
        for number in range(1, 101):
            said[context.run_id] = number
            await send((Text("x"),))
        return finished(context, "x" * 100)

    async with rooms(chatter, reply_batches=8) as house, house.conversations.open(turn("hello")) as opened:
        await wait_all_tasks_blocked()
        assert 9 == said[opened.run_id]
        other = await house.ask(turn("someone else"))
        assert 100 == len(other.text)
        assert 101 == len([event async for batch in opened.batches for event in batch])


async def test_a_client_that_has_not_read_everything_does_not_keep_its_conversation_busy(
    autojump_clock: MockClock,
) -> None:
    async def chatter(_turn: Turn, context: RunContext, send: Send) -> RunFinished:
        for _ in range(8):
            await send((Text("x"),))
        return finished(context, "x" * 8)

    async with rooms(chatter, reply_batches=8) as house:
        async with house.conversations.open(turn("hello", conversation_id="same")) as opened:
            await wait_all_tasks_blocked()
            assert "waiting" == house.loops.statuses()[-1].state
            assert isinstance((await house.ask(turn("next", conversation_id="same"))).final, RunFinished)
            events = [event async for batch in opened.batches for event in batch]
            assert 9 == len(events)
            assert isinstance(events[-1], RunFinished)
        await house.conversations.wait_idle()


async def test_a_crash_of_the_agent_is_told_as_internal_and_the_conversation_lives_on(
    autojump_clock: MockClock,
) -> None:
    crashes = iter([True, False])

    async def crash(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        if next(crashes):
            raise RuntimeError("secret inside")
        return await echo(asked, context, send)

    async with rooms(crash) as house:
        answer = await house.ask(turn("one", conversation_id="same"))
        assert isinstance(answer.final, RunFailed)
        assert ("internal", False) == (answer.final.failure, "secret" in answer.final.message)
        assert "failed" == house.archive.stored[answer.run_id].state
        assert 1 == house.loops.statuses()[-1].consecutive_errors
        assert 1 == len(house.events.of("loop_error"))
        assert isinstance((await house.ask(turn("two", conversation_id="same"))).final, RunFinished)
        assert 0 == house.loops.statuses()[-1].consecutive_errors


async def test_an_idle_conversations_loop_ends_and_the_next_turn_revives_the_conversation(
    autojump_clock: MockClock,
) -> None:
    async with rooms(idle_seconds=60) as house:
        first = await house.ask(turn("hello there"))
        await trio.sleep(59)
        assert 4 == len(house.loops.statuses())
        await trio.sleep(2)
        assert ["owu", "ha", "api"] == house.loop_names()
        assert "idle" == house.events.of("loop_stopped")[0]["reason"]
        second = await house.ask(turn("hello there", assistant(first.text), "more"))
        assert first.conversation_id == second.conversation_id
        assert "owu/hello there" == house.loop_names()[-1]
        assert 2 == len([name for name in house.events.of("loop_started") if name["loop_name"] == "owu/hello there"])


async def test_no_turn_is_lost_when_it_comes_in_the_moment_that_its_loop_ends(autojump_clock: MockClock) -> None:
    async with rooms(idle_seconds=10) as house:
        for _ in range(20):
            await house.ask(turn("hello", conversation_id="same"))
            await trio.sleep(10)  # this task and the loop's deadline are due at the same moment
            with trio.fail_after(5):
                assert isinstance((await house.ask(turn("hello", conversation_id="same"))).final, RunFinished)
            for _ in range(5):
                await trio.lowlevel.checkpoint()
        assert 40 == len(house.archive.stored)


async def test_the_conversation_that_was_idle_longest_makes_room_for_a_new_one(autojump_clock: MockClock) -> None:
    async with rooms(max_live=2) as house:
        for name in ("a", "b", "c"):
            await trio.sleep(1)
            await house.ask(turn(name))
            await wait_all_tasks_blocked()
        assert ["owu", "ha", "api", "owu/b", "owu/c"] == house.loop_names()
        assert "crowded" == house.events.of("loop_stopped")[0]["reason"]


async def test_using_a_conversation_again_makes_it_the_newest(autojump_clock: MockClock) -> None:
    async with rooms(max_live=2) as house:
        for name in ("a", "b", "a", "c"):
            await house.ask(turn(name, conversation_id=name))
            await wait_all_tasks_blocked()
        assert ["owu", "ha", "api", "owu/a", "owu/c"] == house.loop_names()


async def test_busy_conversations_may_be_more_than_max_live_until_they_are_done(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with rooms(gate, max_live=2) as house, trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(house.ask, turn(str(number)))
        await wait_all_tasks_blocked()
        assert 5 == house.agent.running
        gate.open.set()
        await wait_all_tasks_blocked()
        assert 2 == house.conversations.statistics().live


async def test_a_stopped_parent_is_replaced_when_the_next_turn_comes(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        await house.ask(turn("hello"))
        owu = house.loops.statuses()[0]
        await house.loops.stop(owu.id, "api")
        assert ["ha", "api"] == house.loop_names()
        await house.ask(turn("hello again"))
        assert ["ha", "api", "owu", "owu/hello again"] == house.loop_names()


async def test_loop_names_are_cleaned(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        await house.ask(turn("a/b\x07\nc"))
        assert "owu/a_b c" == house.loop_names()[-1]


async def test_a_continuing_turn_gets_the_history_as_it_is_when_its_time_comes(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        first = await house.ask(turn(Message("system", "be kind"), "one", channel="api"))
        async with trio.open_nursery() as nursery:
            for text in ("two", "three"):
                asked = turn(text, channel="api", conversation_id=first.conversation_id, continues=True)
                nursery.start_soon(house.ask, asked)
                await wait_all_tasks_blocked()
        assert ["one", "You said one", "two", "You said two", "three"] == [
            message.content for message in house.agent.turns[-1].messages
        ]
        said = house.archive.of(first.conversation_id)
        assert [0, 1, 2, 3, 4, 5] == [each.position for each in said]
        assert [each.key for each in said[:-1]] == [each.parent_key for each in said[1:]]
        keys = [each.key for each in said]
        # the same conversation, sent whole by a client that keeps it itself, has the same keys
        again = await house.ask(turn(*(each.message for each in said), "four", channel="api"))
        assert (first.conversation_id, keys) == (
            again.conversation_id,
            [each.key for each in house.archive.of(first.conversation_id)][:6],
        )


async def test_the_system_message_of_a_continuing_turn_stays_first(autojump_clock: MockClock) -> None:
    """Many chat templates take a system message only there."""
    async with rooms() as house:
        first = await house.ask(turn("one", channel="api"))
        new = (Message("system", "be kind"), "two")
        await house.ask(turn(*new, channel="api", conversation_id=first.conversation_id, continues=True))
        assert ["be kind", "one", "You said one", "two"] == [each.content for each in house.agent.turns[-1].messages]


async def test_a_continuing_turn_of_an_unknown_conversation_begins_it(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        answer = await house.ask(turn("one", channel="api", conversation_id="c_0123456789abcdef", continues=True))
        assert "c_0123456789abcdef" == answer.conversation_id
        assert ["one"] == [message.content for message in house.agent.turns[0].messages]


async def test_calls_of_client_tools_are_stored_published_and_answered_in_the_same_conversation(
    autojump_clock: MockClock,
) -> None:
    call = ToolCall("call_1", "HassTurnOff", {"name": "Kitchen Lights", "level": 1.0})

    async def calling(asked: Turn, context: RunContext, send: Send) -> RunFinished:
        if asked.messages[-1].role == "tool":
            return await say("Done.", asked, context, send)
        await send((RunStarted(context.run_id, context.conversation_id, "ha", context.profile),))
        return finished(context, "", (call,))

    async with rooms(calling) as house:
        first = await house.ask(turn("lights off", channel="ha"))
        assert [{"id": "call_1", "name": "HassTurnOff", "args": call.arguments}] == house.events.of("client_tool_call")[
            0
        ]["calls"]
        back = Message(
            "assistant", tool_calls=(ToolCall("other", "HassTurnOff", {"level": 1, "name": "Kitchen Lights"}),)
        )
        second = await house.ask(turn("lights off", back, Message("tool", '{"error":false}'), channel="ha"))
        assert first.conversation_id == second.conversation_id
        assert ["user", "assistant", "tool", "assistant"] == [
            each.message.role for each in house.archive.of(first.conversation_id)
        ]
        assert ["client"] == [each.owner for each in house.archive.stored[first.run_id].tool_calls]


async def test_events_of_a_turn_come_in_order_and_carry_its_ids(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        answer = await house.ask(turn("hello"))
        loop_id = house.loops.statuses()[-1].id
    mine = [(kind, data) for kind, data in house.events.all if data.get("run_id") == answer.run_id]
    assert ["loop_iteration_start", "request_start", "request_complete", "loop_iteration_complete"] == [
        kind for kind, _ in mine
    ]
    for _, data in mine:
        assert (answer.conversation_id, loop_id) == (data["conversation_id"], data["loop_id"])
    start, complete = mine[1][1], mine[2][1]
    assert (answer.run_id, "owu", "thane:latest", "hello") == (
        start["request_id"],
        start["channel"],
        start["profile"],
        start["title"],
    )
    assert ("model", 1, 10, 5) == (
        complete["model"],
        complete["iterations"],
        complete["total_tokens_in"],
        complete["total_tokens_out"],
    )


async def test_an_explicit_model_is_kept_as_the_profile(autojump_clock: MockClock) -> None:
    async with rooms() as house, house.conversations.open(Turn((user("hi"),), model="qwen3:8b")) as opened:
        assert "qwen3:8b" == opened.profile
