"""Compacting over a real archive: when it is due, and what a model is shown afterwards."""

from __future__ import annotations

import random
from pathlib import Path

from tests.conversations import doubles
from tests.conversations.doubles import assistant, turn
from thane.clock import SystemClock
from thane.config.settings import Conversations as Limits
from thane.config.settings import Models, Storage
from thane.conversations.covering import Covering
from thane.conversations.marks import OVER, SUMMARY_HEADING
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.storage.database import open_database
from thane.turn import Message


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
