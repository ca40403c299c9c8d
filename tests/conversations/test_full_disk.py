"""While nothing can be stored no model is asked: a turn is refused when it comes, or ends when its turn comes."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, rooms, turn
from thane.errors import ClientError
from thane.turn import RunFailed, RunFinished

FULL = "The disk is full. Free some room."


class Disk:
    refusal = ""

    def __call__(self) -> str:
        return self.refusal


async def test_a_turn_is_refused_before_a_model_is_asked_and_taken_when_there_is_room(
    autojump_clock: MockClock,
) -> None:
    disk = Disk()
    async with rooms(full=disk) as house:
        disk.refusal = FULL
        for task in ("", "title_generation"):
            with pytest.raises(ClientError, match=FULL) as refused:
                await house.ask(turn("hello", task=task))
            assert (503, "storage_full", 5.0) == (refused.value.status, refused.value.code, refused.value.retry_after)
        assert [] == house.agent.turns
        disk.refusal = ""
        assert isinstance((await house.ask(turn("hello"))).final, RunFinished)


async def test_a_turn_that_waited_is_not_begun_and_the_one_that_ran_may_end(autojump_clock: MockClock) -> None:
    disk, gate = Disk(), Gate()
    ended = list[RunFinished | RunFailed]()
    async with rooms(gate, full=disk) as house:

        async def ask() -> None:
            answer = await house.ask(turn("hello", conversation_id="c_1"))
            assert isinstance(answer.final, RunFinished | RunFailed)
            ended.append(answer.final)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            disk.refusal = FULL
            gate.open.set()
        first, second = ended
        assert isinstance(first, RunFinished)
        assert isinstance(second, RunFailed)
        assert ("unavailable", FULL) == (second.failure, second.message)
        assert 1 == len(house.agent.turns)
