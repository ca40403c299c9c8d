"""A conversation that has outgrown its model is compacted in the background, and then goes on with the summary."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from tests.conversations import doubles
from tests.conversations.doubles import turn
from thane.agent.engine import RunContext
from thane.conversations import identity
from thane.conversations.compactor import Compactor
from thane.conversations.covering import Covered
from thane.conversations.marks import mark, recap
from thane.errors import ClientError, DependencyError
from thane.memory.records import MessageRecord
from thane.turn import Message, ModelStarted, RunFinished, Turn


class Covering:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.done: list[str] = []
        self.early = {"c_0"}

    async def is_due(self, conversation_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        return conversation_id not in self.early

    async def compact(self, conversation_id: str) -> Covered:
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(conversation_id)
        return Covered(4, "summary")


async def test_what_fails_once_does_not_stop_the_others() -> None:
    send, receive = trio.open_memory_channel[str](10)
    covering = Covering(ClientError("a turn goes on", status=409), DependencyError("full", dependency="database"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Compactor(covering, receive).run)
        for name in ("c_0", "c_1", "c_2", "c_3", "c_4"):
            send.send_nowait(name)
        await wait_all_tasks_blocked()
        assert ["c_3", "c_4"] == covering.done
        nursery.cancel_scope.cancel()


async def crowded(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished:
    await send((ModelStarted(1, "small", "ollama", 3, 0, 100, left_out=len(turn.messages) - 1),))
    return doubles.finished(context, "ok")


async def test_a_turn_without_room_tells_of_its_conversation() -> None:
    async with doubles.rooms(crowded) as house:
        first = await house.ask(turn("one"))
        assert 0 == house.conversations.outgrown.statistics().current_buffer_used
        long = await house.ask(turn("one", doubles.assistant("ok"), "two"))
        assert first.conversation_id == long.conversation_id
        assert long.conversation_id == house.conversations.outgrown.receive_nowait()
        (call, _) = [data for kind, data in house.events.all if kind == "llm_call"][::-1]
        assert 2 == call["left_out"]


def test_a_recap_is_that_of_the_summary_over_the_very_history() -> None:
    said = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    keys = identity.read(said).keys
    records = [
        MessageRecord(f"m{n}", "c", "r", n, message, 1.0, key)
        for n, (message, key) in enumerate(zip(said, keys, strict=True))
    ]
    summary = mark("summary", records[1], "[Conversation Summary]\nnumbers", id_="x", at=2.0)
    reset = mark("reset", records[0], "reset", id_="y", at=3.0)
    found = recap([*records, summary, reset], keys)
    assert ("[Conversation Summary]\nnumbers", 2) == (found.text, found.covers)
    assert ("", 0) == (recap([*records, summary], identity.read([Message("user", "other")]).keys).text, 0)
