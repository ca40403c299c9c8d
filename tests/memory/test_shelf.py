"""Conversations are found, named, put away and deleted, in a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.memory.samples import AT, NO_CONVERSATION, conversation, run, said
from tests.memory.test_archive import Opened, opened
from thane.ledger.entry import LedgerEntry
from thane.ledger.rows import entry_row
from thane.memory.records import ConversationQuery, SentPrompt, StepRecord, ToolCallRecord
from thane.storage import ledger_rows
from thane.turn import Message, Prompt, Usage

STEP = StepRecord(1, "m", "p", Usage(1, 1), "stop", AT, 1.0)
CALL = ToolCallRecord("call_1", "r_1", "c_1", 1, "light", "{}", "on", True, AT, 0.1)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Opened]:
    async with opened(tmp_path / "thane.db") as it:
        known = [("Lights", "ha"), ("Boats", "owu"), ("cats", "owu"), ("Apes", "api")]
        for number, (title, channel) in enumerate(known):
            id_ = f"c_{number + 1}"
            talk = replace(conversation(id_, at=AT + number, title=title, channel=channel), created_at=AT - number)
            talk = replace(talk, user="Anna" if number == 0 else "", area="Hall" if number < 2 else "")
            of_run = run(f"r_{number + 1}", id_, steps=(STEP,), tool_calls=(CALL,) if number == 0 else ())
            await it.archive.run_ended(talk, of_run, said(of_run, *(f"word {number} 100%" for _ in range(number + 1))))
        yield it


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ConversationQuery(), ["c_4", "c_3", "c_2", "c_1"]),
        (ConversationQuery(order="asc"), ["c_1", "c_2", "c_3", "c_4"]),
        (ConversationQuery(sort="created"), ["c_1", "c_2", "c_3", "c_4"]),
        (ConversationQuery(sort="title", order="asc"), ["c_4", "c_2", "c_3", "c_1"]),
        (ConversationQuery(sort="messages"), ["c_4", "c_3", "c_2", "c_1"]),
        (ConversationQuery(ids=("c_1", "c_9")), ["c_1"]),
        (ConversationQuery(channel="owu"), ["c_3", "c_2"]),
        (ConversationQuery(user="Anna"), ["c_1"]),
        (ConversationQuery(user="Bob"), []),
        (ConversationQuery(area="Hall"), ["c_2", "c_1"]),
        (ConversationQuery(q="BOAT"), ["c_2"]),
        (ConversationQuery(q="word 2"), ["c_3"]),
        (ConversationQuery(q="100%"), ["c_4", "c_3", "c_2", "c_1"]),
        (ConversationQuery(q="1%0"), []),
        (ConversationQuery(q="w_rd"), []),
        (ConversationQuery(updated_after=AT + 2), ["c_4", "c_3"]),
        (ConversationQuery(updated_before=AT + 1), ["c_1"]),
        (ConversationQuery(created_after=AT), ["c_1"]),
        (ConversationQuery(created_before=AT - 2), ["c_4"]),
        (ConversationQuery(min_messages=2, max_messages=3), ["c_3", "c_2"]),
        (ConversationQuery(archived=True), []),
    ],
)
async def test_conversations_are_selected_and_ordered(
    here: Opened, query: ConversationQuery, expected: list[str]
) -> None:
    page = await here.archive.find(query)
    assert (expected, len(expected), None) == ([each.id for each in page.conversations], page.count, page.after)


@pytest.mark.parametrize("sort", ["updated", "created", "title", "messages"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_lead_through_all_of_them_once(here: Opened, sort: str, order: str) -> None:
    whole = await here.archive.find(ConversationQuery(sort=sort, order=order))  # pyright: ignore[reportArgumentType]  words of the list
    query, found = ConversationQuery(sort=sort, order=order, limit=1), list[str]()  # pyright: ignore[reportArgumentType]  as above
    while True:
        page = await here.archive.find(query)
        found += [each.id for each in page.conversations]
        assert 4 == page.count
        if page.after is None:
            break
        query = replace(query, after=page.after)
    assert [each.id for each in whole.conversations] == found


async def test_a_persons_title_stays_and_one_of_a_model_does_not(here: Opened) -> None:
    assert await here.archive.name("c_1", "All the lights", "model")
    assert await here.archive.name("c_1", "Mine", "person")
    assert not await here.archive.name("c_1", "Lights, lights", "model")
    assert not await here.archive.name("c_9", "Nothing", "person")
    again = run("r_9", "c_1")
    await here.archive.run_ended(conversation("c_1", title="Lights"), again, said(again, "more"))
    found = await here.archive.conversation("c_1")
    assert found is not None
    assert ("Mine", "person") == (found.title, found.title_by)


async def test_what_was_put_away_is_out_of_the_list_until_someone_speaks_in_it(here: Opened) -> None:
    assert await here.archive.put_away("c_1", away=True)
    assert not await here.archive.put_away("c_9", away=True)
    assert ["c_4", "c_3", "c_2"] == [each.id for each in (await here.archive.find(ConversationQuery())).conversations]
    away = await here.archive.find(ConversationQuery(archived=True))
    assert ["c_1"] == [each.id for each in away.conversations]
    here.archive.run_started(away.conversations[0], run("r_9", "c_1", "running"))
    await here.database.write(lambda _: None)  # a start is written soon, without waiting
    assert 4 == (await here.archive.find(ConversationQuery())).count


async def test_deleting_leaves_nothing_of_one_and_all_of_the_others(here: Opened) -> None:
    before = [await here.count(table) for table in ("conversations", "messages", "runs", "steps", "tool_calls")]
    assert await here.archive.delete("c_1")
    assert not await here.archive.delete("c_1")
    after = [await here.count(table) for table in ("conversations", "messages", "runs", "steps", "tool_calls")]
    assert [4, 10, 4, 4, 1] == before
    assert [3, 9, 3, 3, 0] == after
    assert () == await here.archive.holders("/word 0 100%")


async def test_deleting_forgets_the_prompts_the_log_and_the_tasks_handed_over_and_keeps_what_it_cost(
    here: Opened,
) -> None:
    prompt = SentPrompt(0, 1, Prompt((Message("user", "a secret"),)))
    talk = conversation("c_5")
    task = run("r_6", "", parent_run_id="r_5", task="x")
    await here.archive.run_ended(talk, run("r_5", "c_5"), (), (prompt,))
    await here.archive.run_ended(NO_CONVERSATION, task, ())
    cost = entry_row(LedgerEntry("r_5", 0, AT, "api", "p", "m", Usage(1, 1), conversation_id="c_5"))
    await here.database.write(lambda c: ledger_rows.store_entries(c, "r_5", [cost]))
    assert await here.count("prompt_pieces")
    assert await here.archive.delete("c_5")
    assert [0, 0, 4] == [await here.count(table) for table in ("prompt_pieces", "prompt_nodes", "runs")]
    assert 1 == await here.count("ledger")
