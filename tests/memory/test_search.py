"""Finding messages and sessions again, over a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.memory.samples import AT, conversation, run
from thane.config.settings import Archive as ArchiveSettings
from thane.config.settings import Storage
from thane.errors import ClientError
from thane.memory.archive import Archive
from thane.memory.records import MessageRecord, ToolCallRecord
from thane.memory.search import Around, Search, Wanted
from thane.memory.sessions import Described, Sessions
from thane.storage import search_scope
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock
from thane.turn import Message, Role

SETTINGS = ArchiveSettings(session_idle_minutes=60)


class World:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.archive = Archive(database, TrioClock(), SETTINGS)
        self.search = Search(database, SETTINGS)
        self.sessions = Sessions(database, TrioClock(), SETTINGS)
        self._count = 0

    async def say(
        self, *texts: str, talk: str = "c_1", at: float = AT, role: Role = "user", tool: str = "", channel: str = "owu"
    ) -> None:
        """A run whose messages are one second apart."""
        self._count += 1
        ended = run(f"r_{self._count:04}", talk, at=at)
        if tool:
            call = ToolCallRecord("call_1", ended.id, talk, 1, tool, "{}", "done", ok=True, started_at=at, duration=0.1)
            ended = msgspec.structs.replace(ended, tool_calls=(call,))
        messages = [
            MessageRecord(f"m_{self._count}_{n}", talk, ended.id, n, Message(role, text), at + n, f"{self._count}/{n}")
            for n, text in enumerate(texts)
        ]
        await self.archive.run_ended(conversation(talk, at=at, channel=channel), ended, messages)

    async def find(self, text: str, wanted: Wanted = Wanted(), **more: int) -> list[str]:  # noqa: B008 frozen
        found = await self.search.find(text, wanted, limit=more.get("limit", 10), offset=more.get("offset", 0))
        return [hit.match.message.content for hit in found.hits]


@asynccontextmanager
async def world(path: Path) -> AsyncGenerator[World]:
    async with open_database(path / "thane.db", Storage()) as database:
        yield World(database)


async def test_what_was_said_is_found_by_its_words(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("turn off the kitchen light", "The kitchen light is off.")
        await w.say("what about the garden?", talk="c_2")
        assert ["The kitchen light is off.", "turn off the kitchen light"] == sorted(await w.find("kitchen light"))
        assert ["what about the garden?"] == await w.find("gard*")
        assert [] == await w.find("cellar")
        assert ["turn off the kitchen light"] == await w.find('"kitchen light" -is')


async def test_what_is_found_is_marked_and_has_its_session(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("turn off the kitchen light")
        (hit,) = (await w.search.find("Kitchen", Wanted(), limit=10)).hits
        assert "turn off the **kitchen** light" == hit.highlight
        assert "s_0001" == hit.session_id


async def test_a_misspelt_word_finds_the_one_that_was_meant(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("the temperature in the bedroom")
        found = await w.search.find("temprature bedrom", Wanted(), limit=10)
        assert {"temprature": "temperature", "bedrom": "bedroom"} == found.instead
        assert 1 == len(found.hits)


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        (Wanted(conversation_id="c_2"), ["light two"]),
        (Wanted(role="assistant"), ["light two"]),
        (Wanted(channel="ha"), ["light two"]),
        (Wanted(tool="HassTurnOn"), ["light two"]),
        (Wanted(since=AT + 50), ["light two"]),
        (Wanted(until=AT + 50), ["light one"]),
        (Wanted(conversation_id="c_2", role="user"), []),
        (Wanted(conversation_id="c_9"), []),
        (Wanted(channel="api"), []),
        (Wanted(role="tool"), []),
    ],
)
@pytest.mark.parametrize("few", [0, 1, search_scope.FEW])
async def test_filters_leave_the_rest_out(
    tmp_path: Path, wanted: Wanted, texts: Sequence[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_scope, "FEW", few)  # whether the few are listed beforehand or not
    async with world(tmp_path) as w:
        await w.say("light one", at=AT)
        await w.say("light two", at=AT + 100, talk="c_2", role="assistant", tool="HassTurnOn", channel="ha")
        assert texts == await w.find("light", wanted)


async def test_the_exchange_around_ends_at_a_silence(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("much earlier", at=AT)
        await w.say("before", "the needle", "after", at=AT + 2000)
        await w.say("of another", talk="c_2", at=AT + 2001)
        await w.say("much later", at=AT + 4000)
        around = Around(messages=10, silence=600, seconds=3600)
        (hit,) = (await w.search.find("needle", Wanted(), limit=1, around=around)).hits
        assert ["before"] == [each.message.content for each in hit.context_before]
        assert ["after"] == [each.message.content for each in hit.context_after]
        none = Around(messages=0, silence=600, seconds=3600)
        (bare,) = (await w.search.find("needle", Wanted(), limit=1, around=none)).hits
        assert () == bare.context_before + bare.context_after


async def test_messages_of_the_same_moment_belong_to_the_exchange(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one", at=AT)
        await w.say("needle", at=AT)
        (hit,) = (await w.search.find("needle", Wanted(), limit=1)).hits
        assert ["one"] == [each.message.content for each in hit.context_before]


async def test_how_much_there_is_is_counted_as_it_comes_and_goes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (0, {}) == ((counted := await w.search.statistics()).messages, counted.by_role)
        await w.say("one", "two")
        await w.say("three", talk="c_2", role="assistant")
        counted = await w.search.statistics()
        assert (3, {"assistant": 1, "user": 2}) == (counted.messages, counted.by_role)
        assert (AT, AT + 1) == (counted.oldest, counted.newest)
        await w.archive.delete("c_1")
        counted = await w.search.statistics()
        assert (1, {"assistant": 1}) == (counted.messages, counted.by_role)


async def test_a_word_that_was_deleted_is_not_what_a_misspelt_one_was_meant_to_be(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("the temperature in Zanzibar")
        await w.say("the temperature here", talk="c_2")
        await w.archive.delete("c_1")
        assert {} == (await w.search.find("Zanzibra", Wanted(), limit=10)).instead
        assert {"temprature": "temperature"} == (await w.search.find("temprature", Wanted(), limit=10)).instead


async def test_what_is_replaced_is_not_found_any_more(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ended = run("r_1", "c_1")
        for text in ("the old word", "the new word"):
            message = MessageRecord("m", "c_1", "r_1", 0, Message("user", text), AT, text)
            await w.archive.run_ended(conversation("c_1"), ended, [message])
        assert [] == await w.find("old")
        assert ["the new word"] == await w.find("word")


async def test_results_are_paged(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for n in range(5):
            await w.say(f"light {n}")
        pages = [await w.find("light", limit=2, offset=place) for place in (0, 2, 4, 6)]
        assert [2, 2, 1, 0] == [len(page) for page in pages]
        assert 5 == len({text for page in pages for text in page})


async def test_a_silence_ends_a_session_and_the_next_names_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one", at=AT)
        await w.say("two", at=AT + 60)
        await w.say("three", at=AT + 60 + 3601)
        latest, first = await w.sessions.list()
        assert ("idle_timeout", AT + 60, 2) == (first.end_reason, first.ended_at, first.message_count)
        assert (None, first.id, 1) == (latest.ended_at, latest.parent_session_id, latest.message_count)
        assert [latest] == list(await w.sessions.list(limit=1))
        assert [first] == list(await w.sessions.list(after=latest))


async def test_a_closed_session_keeps_what_was_said_in_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one")
        assert await w.sessions.close("c_1", "reset", handoff="we spoke of lamps")
        assert not await w.sessions.close("c_1", "reset")
        await w.say("two", at=AT + 1)
        latest, first = await w.sessions.list(conversation_id="c_1")
        assert ("reset", "we spoke of lamps") == (first.end_reason, first.handoff)
        assert ["one"] == [each.message.content for each in await w.sessions.messages(first.id)]
        assert ["two"] == [each.message.content for each in await w.sessions.messages(latest.id)]
        assert ["one"] == await w.find("one")


async def test_a_note_is_for_the_next_session_alone_also_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one")
        assert "" == w.sessions.handoff("c_1")
        await w.sessions.close("c_1", "done", handoff="we chose the lamp")
        assert "we chose the lamp" == w.sessions.handoff("c_1")
        await w.say("two", at=AT + 1)
    async with world(tmp_path) as w:
        await w.sessions.recall()
        assert "we chose the lamp" == w.sessions.handoff("c_1")
        await w.sessions.close("c_1", "done")
        assert "" == w.sessions.handoff("c_1")
        await w.sessions.recall()
        assert "" == w.sessions.handoff("c_1")


async def test_a_session_is_split_at_a_message(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one", "two", "three")
        (whole,) = await w.sessions.list()
        later = await w.sessions.split(whole.id, "m_1_1")
        assert (whole.id, AT + 1, None, 2) == (
            *(later.parent_session_id, later.started_at, later.ended_at, later.message_count),
        )
        first = await w.sessions.get(whole.id)
        assert first is not None
        assert ("split", AT, 1) == (first.end_reason, first.ended_at, first.message_count)
        await w.say("four", at=AT + 5)
        assert 3 == len(await w.sessions.messages(later.id))
        with pytest.raises(ClientError, match="not in session"):
            await w.sessions.split(whole.id, "m_1_0")
        with pytest.raises(ClientError, match="no session"):
            await w.sessions.split("s_none", "m_1_0")


async def test_only_closed_sessions_without_a_summary_are_bare(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one")
        assert () == await w.sessions.bare(10)
        await w.sessions.close("c_1", "reset")
        (bare,) = await w.sessions.bare(10)
        await w.sessions.describe(bare.id, Described("Lamps", "About lamps.", ("lamps",), {"one_liner": "Lamps"}))
        assert () == await w.sessions.bare(10)
        described = await w.sessions.get(bare.id)
        assert described is not None
        assert ("Lamps", ("lamps",), {"one_liner": "Lamps"}) == (
            *(described.title, described.tags, described.metadata),
        )


async def test_statistics_count_what_there_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.say("one", "two", tool="HassTurnOn")
        await w.say("three", role="assistant", talk="c_2", at=AT + 9)
        counted = await w.search.statistics()
        assert (3, 2, 1, AT, AT + 9) == (
            *(counted.messages, counted.sessions, counted.tool_calls, counted.oldest, counted.newest),
        )
        assert {"assistant": 1, "user": 2} == counted.by_role
        (tool,) = (await w.search.tool_statistics()).values()
        assert (1, 0) == (tool.calls, tool.failed)
        ((place, call),) = await w.search.tool_calls(name="HassTurnOn", limit=5)
        assert (0, "HassTurnOn") == (place, call.name)
        assert () == await w.search.tool_calls(name="other", limit=5)
        ((_, message), _) = await w.search.between(AT + 1, AT + 9, limit=5)
        assert "two" == message.message.content
