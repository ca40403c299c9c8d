"""The archive over HTTP: sessions, search, export, tool calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import msgspec
import pytest

from tests.memory.samples import AT, conversation, run
from thane.clock import iso
from thane.config.settings import Limits, Settings, Storage
from thane.http.native import archive as search_routes
from thane.http.native import sessions, tool_calls
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.memory.archive import Archive
from thane.memory.records import MessageRecord, StepRecord, ToolCallRecord
from thane.storage.database import open_database
from thane.testing.clock import TrioClock
from thane.testing.serving import Served, serving
from thane.turn import Message, Usage


class Site:
    """The archive's routes, served over a real database."""

    def __init__(self, served: Served, archive: Archive) -> None:
        self.served = served
        self.archive = archive

    async def get(self, path: str) -> Any:
        answer = await self.served.ask("GET", path)
        assert 200 == answer.status, answer.body
        return msgspec.json.decode(answer.body)

    async def refused(self, path: str) -> tuple[int, str]:
        answer = await self.served.ask("GET", path)
        return answer.status, msgspec.json.decode(answer.body)["error"]["code"]


@asynccontextmanager
async def site(folder: Path) -> AsyncGenerator[Site]:
    async with open_database(folder / "thane.db", Storage()) as database:
        archive = Archive(database, TrioClock())
        rooms = cast("Any", SimpleNamespace(archive=archive, settings=Settings()))
        app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
        for each in (search_routes, sessions, tool_calls):
            app.register_blueprint(each.routes(rooms))
        async with serving(app) as served:
            yield Site(served, archive)


async def fill(s: Site) -> None:
    """Two conversations: one of a lamp with a tool call, one of a garden an hour later."""
    archive = s.archive
    for name, at, asked, said in (
        ("c_1", AT, "turn off the kitchen lamp", "The kitchen lamp is off."),
        ("c_2", AT + 3600, "water the garden", "I cannot do that."),
    ):
        ended = run(f"r_{name}", name, at=at)
        if name == "c_1":
            call = ToolCallRecord("call_1", ended.id, name, 1, "HassTurnOff", '{"name":"lamp"}', "done", True, at, 0.25)
            step = StepRecord(1, "small", "ollama", Usage(30, 5), "tool_calls", at, 0.5)
            ended = msgspec.structs.replace(ended, tool_calls=(call,), steps=(step,))
        messages = [
            MessageRecord(f"{name}-{n}", name, ended.id, n, message, at + n, f"{name}/{n}")
            for n, message in enumerate((Message("user", asked), Message("assistant", said)))
        ]
        await archive.run_ended(conversation(name, at=at), ended, messages)


async def test_search_finds_marks_and_pages(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        page = await s.get("/v1/archive/search?q=kitchen&limit=1")
        assert (1, "kitchen", {}) == (page["count"], page["query"], page["instead"])
        assert "**kitchen** lamp" in page["results"][0]["highlight"]
        assert 1 == len(page["results"][0]["context_before"] + page["results"][0]["context_after"])
        last = await s.get(f"/v1/archive/search?q=kitchen&limit=1&cursor={page['next']}")
        assert last["next"] is None
        assert last["results"][0]["match"]["id"] != page["results"][0]["match"]["id"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=" + quote('kitchen AND "lamp'), 2),
        ("q=kithcen", 2),
        ("q=the&conversation_id=c_2", 1),
        ("q=the&role=assistant", 1),
        ("q=the&tool=HassTurnOff", 2),
        ("q=the&since=" + quote(iso(AT + 1800)), 1),
        ("q=cellar", 0),
        ("q=-lamp", 0),
    ],
)
async def test_search_takes_what_people_type_and_filters(tmp_path: Path, query: str, count: int) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        assert count == (await s.get(f"/v1/archive/search?{query}"))["count"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/archive/search",
        "/v1/archive/search?q=a&role=nobody",
        "/v1/archive/search?q=a&silence=soon",
        "/v1/archive/search?q=a&context=many",
        "/v1/archive/search?q=a&cursor=???",
        "/v1/archive/search?q=a&since=yesterday",
        "/v1/archive/messages",
        "/v1/archive/messages?from=x&to=y",
        "/v1/archive/sessions/s_c_1/export?format=pdf",
        "/v1/tools/calls?limit=0",
    ],
)
async def test_what_cannot_be_meant_is_refused(tmp_path: Path, path: str) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        assert 400 == (await s.refused(path))[0]


async def test_sessions_are_listed_read_and_exported(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        page = await s.get("/v1/archive/sessions?limit=1")
        assert ("c_2", None) == (page["sessions"][0]["conversation_id"], page["sessions"][0]["ended_at"])
        page = await s.get(f"/v1/archive/sessions?limit=1&cursor={page['next']}")
        assert ("c_1", None) == (page["sessions"][0]["conversation_id"], page["next"])
        id_ = page["sessions"][0]["id"]
        whole = await s.get(f"/v1/archive/sessions/{id_}")
        assert ["user", "assistant"] == [each["role"] for each in whole["transcript"]]
        assert ["HassTurnOff"] == [each["tool_name"] for each in whole["tool_calls"]]
        assert whole["transcript"][1]["id"] == whole["tool_calls"][0]["message_id"]
        (step,) = whole["iterations"]
        assert ("small", 1, 30, 1, 500, "tool_calls") == (
            *(step["model"], step["iteration_index"], step["input_tokens"], step["tool_call_count"]),
            *(step["duration_ms"], step["break_reason"]),
        )
        file = await s.served.ask("GET", f"/v1/archive/sessions/{id_}/export")
        assert "text/markdown; charset=utf-8" == file.headers["content-type"]
        assert ".md" in file.headers["content-disposition"]
        text = file.body.decode()
        assert text.index("turn off the kitchen lamp") < text.index("The kitchen lamp is off.")
        assert '{"name":"lamp"}' in text
        saved = await s.served.ask("GET", f"/v1/archive/sessions/{id_}/export?format=json")
        assert whole == msgspec.json.decode(saved.body)


async def test_an_unknown_session_is_not_found(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        for path in ("", "/export", "/export?format=json"):
            assert (404, "session_not_found") == await s.refused(f"/v1/archive/sessions/s_none{path}")


async def test_a_session_is_closed_once(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        (first, _) = (await s.get("/v1/archive/sessions"))["sessions"]
        path = f"/v1/archive/sessions/{first['id']}/close"
        closed = await s.served.ask("POST", path, b'{"reason":"done","handoff":"roses"}')
        assert ("done", "roses") == tuple(msgspec.json.decode(closed.body)[name] for name in ("end_reason", "handoff"))
        assert 409 == (await s.served.ask("POST", path, b"")).status


async def test_a_session_is_split_at_a_message(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        (first, _) = (await s.get("/v1/archive/sessions"))["sessions"]
        split = await s.served.ask("POST", f"/v1/archive/sessions/{first['id']}/split", b'{"message_id":"c_2-1"}')
        assert 201 == split.status
        assert 3 == (await s.get("/v1/archive/sessions"))["count"]
        again = await s.served.ask("POST", f"/v1/archive/sessions/{first['id']}/split", b'{"message_id":"c_2-0"}')
        assert 400 == again.status


async def test_messages_of_a_time_are_paged_oldest_first(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        path = f"/v1/archive/messages?from={quote(iso(AT))}&to={quote(iso(AT + 7200))}&limit=3"
        page = await s.get(path)
        assert (3, ["c_1", "c_1", "c_2"]) == (page["count"], [each["conversation_id"] for each in page["messages"]])
        last = await s.get(f"{path}&cursor={page['next']}")
        assert (["I cannot do that."], None) == ([each["content"] for each in last["messages"]], last["next"])


async def test_tool_calls_are_listed_and_counted(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await fill(s)
        (call,) = (await s.get("/v1/tools/calls?tool=HassTurnOff&conversation_id=c_1"))["tool_calls"]
        assert ("HassTurnOff", 250, "done") == (call["tool_name"], call["duration_ms"], call["result"])
        for path in ("/v1/tools/stats", "/v1/telemetry/tools"):
            counted = await s.get(path)
            assert (1, {"HassTurnOff": 1}, 250.0, 0.0) == (
                *(counted["total_calls"], counted["by_tool"], counted["avg_duration_ms"], counted["error_rate"]),
            )


async def test_an_empty_archive_has_lists_and_counts_of_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        assert {"sessions": [], "count": 0, "next": None} == await s.get("/v1/archive/sessions")
        assert [] == (await s.get("/v1/tools/calls"))["tool_calls"]
        assert {} == (await s.get("/v1/tools/stats"))["by_tool"]
        counted = await s.get("/v1/archive/stats")
        assert (0, None, {}) == (counted["total_messages"], counted["oldest_message"], counted["by_role"])
        assert {"active": 0, "archived": 0} == counted["by_status"]
