"""Compacting over a real archive: when it is due, and what a model is shown afterwards."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conversations import doubles
from tests.conversations.doubles import assistant, turn
from thane.agent.context import RunContext
from thane.clock import SystemClock
from thane.config.settings import Conversations as Limits
from thane.config.settings import Models, Storage
from thane.conversations.covering import Covering
from thane.conversations.marks import OVER, SUMMARY_HEADING
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.storage.database import open_database
from thane.turn import Message, RunFailed, RunFinished, Turn, Usage


async def test_a_conversation_is_compacted_once_enough_is_new(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        archive = Archive(database, SystemClock())
        async with doubles.rooms(archive=archive, models=Models(default="small")) as house:
            ids = Ids(random.Random(1), SystemClock())
            limits = Limits(compact_keep_messages=4)
            made: list[int] = []

            async def checkpoint() -> None:
                (talk,) = await archive.conversations()
                made.append(len(await archive.messages_after(talk.id, OVER)))

            covering = Covering(
                archive, house.conversations, limits, clock=SystemClock(), ids=ids, checkpoint=checkpoint
            )
            said: list[Message | str] = []
            due: list[bool] = []
            for number in range(6):
                said.append(f"say {number}")
                answer = await house.ask(turn(*said))
                said.append(assistant(answer.text))
                due.append(await covering.is_due(answer.conversation_id))
                if due[-1]:
                    await covering.compact(answer.conversation_id)
            assert [False, False, False, True, False, True] == due
            assert [0, 1] == made  # each before its compaction
            (talk,) = await archive.conversations()
            seen = await covering.seen(talk.id)
            assert seen[0].message.content.startswith(SUMMARY_HEADING)
            assert ["say 4", "You said say 4", "say 5", "You said say 5"] == [each.message.content for each in seen[1:]]


FAILING = "fails"


@pytest.mark.parametrize(
    ("answer", "begins", "most"),
    [
        ("", f"{SUMMARY_HEADING}\nuser: say 0\nassistant: You said say 0", 1000),
        ("   \n", f"{SUMMARY_HEADING}\nuser: say 0", 1000),
        (FAILING, f"{SUMMARY_HEADING}\nuser: say 0", 1000),
        ("word " * 5000, f"{SUMMARY_HEADING}\nword word", 1030),
        ('{"summary": 3}', f'{SUMMARY_HEADING}\n{{"summary": 3}}', 1000),
    ],
)
async def test_a_model_that_summarises_badly_costs_no_more_than_its_words(
    tmp_path: Path, answer: str, begins: str, most: int
) -> None:
    async def script(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
        if turn.caller.task != "compaction":
            return await doubles.echo(turn, context, send)
        if answer == FAILING:
            return RunFailed(context.run_id, "model", "It broke.", Usage(), 0.1)
        return doubles.finished(context, answer)

    async with open_database(tmp_path / "thane.db", Storage()) as database:
        archive = Archive(database, SystemClock())
        async with doubles.rooms(script, archive=archive, models=Models(default="small")) as house:
            limits = Limits(compact_keep_messages=2, summary_chars=1000)
            ids = Ids(random.Random(1), SystemClock())
            covering = Covering(archive, house.conversations, limits, clock=SystemClock(), ids=ids)
            said: list[Message | str] = []
            for number in range(3):
                said.append(f"say {number}")
                said.append(assistant((await house.ask(turn(*said))).text))
            (talk,) = await archive.conversations()
            assert 4 == (await covering.compact(talk.id)).messages
            seen = await covering.seen(talk.id)
            assert seen[0].message.content.startswith(begins)
            assert len(seen[0].message.content) <= most
            assert ["say 2", "You said say 2"] == [each.message.content for each in seen[1:]]
