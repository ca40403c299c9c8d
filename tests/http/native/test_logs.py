"""Log lines of loops and of the system, in our names and in the reference's."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conversations.doubles import turn
from tests.http.native.native import Site, site
from thane.clock import SystemClock
from thane.config.settings import Logging, Storage
from thane.journal.index import open_journal
from thane.journal.line import LEVELS, Lines
from thane.storage.database import open_database


@asynccontextmanager
async def kept(path: Path) -> AsyncGenerator[tuple[Site, Lines, str, str]]:
    """A site with an index, its queue, and the loop and the id of a conversation that was just had."""
    lines = Lines(SystemClock(), most=100, chars=1000)
    async with (
        open_database(path / "thane.db", Storage()) as database,
        open_journal(database, lines, Logging(), SystemClock()) as journal,
        site(journal=journal) as web,
    ):
        await web.house.ask(turn("hello"))
        loop = (await web.get("/v1/loops"))[-1]
        yield web, lines, loop["id"], loop["recent_conv_ids"][0]


def say(lines: Lines, message: str, level: str = "info", subsystem: str = "agent", **ids: object) -> None:
    lines.take(LEVELS[level], subsystem, message, ids)


async def test_a_loop_has_the_lines_of_its_own_and_of_its_conversations(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, lines, loop_id, conversation_id):
        say(lines, "of the loop", loop_id=loop_id)
        say(lines, "of the conversation before a restart", conversation_id=conversation_id, loop_id="another", size=3)
        say(lines, "of somebody else", loop_id="another")
        page = await web.get(f"/v1/loops/{loop_id}/logs")
        assert ["of the conversation before a restart", "of the loop"] == [line["message"] for line in page["lines"]]
        assert (2, None) == (page["count"], page["next"])
        assert ({"size": 3}, "info") == (page["lines"][0]["attributes"], page["lines"][0]["level"])


async def test_a_loop_without_lines_has_an_empty_list(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, _, loop_id, _):
        assert {"entries": [], "count": 0} == await web.get(f"/api/loops/{loop_id}/logs")


async def test_lines_are_paged_and_chosen_by_level(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, lines, loop_id, _):
        for number, level in enumerate(("debug", "info", "warning", "error")):
            say(lines, str(number), level, loop_id=loop_id)
        path = f"/v1/loops/{loop_id}/logs?level=info&limit=2"
        first = await web.get(path)
        assert ["3", "2"] == [line["message"] for line in first["lines"]]
        second = await web.get(f"{path}&before={first['next']}")
        assert (["1"], None) == ([line["message"] for line in second["lines"]], second["next"])


async def test_the_references_paths_say_it_in_the_references_names(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, lines, loop_id, conversation_id):
        say(lines, "hot", "warning", loop_id=loop_id, run_id="r-1", conversation_id=conversation_id, tool="t", size=3)
        (entry,) = (await web.get(f"/api/loops/{loop_id}/logs"))["entries"]
        assert {
            "ID": 1,
            "Timestamp": entry["Timestamp"],
            "Level": "WARN",
            "Msg": "hot",
            "RequestID": "r-1",
            "SessionID": "",
            "ConversationID": conversation_id,
            "Subsystem": "agent",
            "Tool": "t",
            "Model": "",
            "Attrs": '{"size":3}',
            "SourceFile": "",
            "SourceLine": 0,
        } == entry


async def test_the_systems_lines_leave_requests_out_unless_asked(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, lines, _, _):
        say(lines, "of the house")
        say(lines, "of a run", run_id="r-1")
        say(lines, "of a request", subsystem="http")
        assert ["of a run", "of the house"] == [line["message"] for line in (await web.get("/v1/system/logs"))["lines"]]
        assert 3 == (await web.get("/v1/system/logs?requests=1"))["count"]
        assert 1 == (await web.get("/api/system/logs?run_id=r-1"))["count"]


async def test_what_cannot_be_answered_is_refused(tmp_path: Path) -> None:
    async with kept(tmp_path) as (web, _, loop_id, _):
        assert 404 == (await web.refused("GET", "/v1/loops/none/logs"))[0]
        assert 400 == (await web.refused("GET", f"/v1/loops/{loop_id}/logs?level=loud"))[0]
        assert 400 == (await web.refused("GET", f"/v1/loops/{loop_id}/logs?before=x"))[0]
    async with site() as web:
        assert (503, "log_index_not_available") == (await web.refused("GET", "/v1/system/logs"))[::2]
