"""Checkpoints over HTTP, over a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from tests.conversations import doubles
from tests.conversations.doubles import turn
from thane.config.settings import Checkpoints, Limits, Settings, Storage
from thane.conversations.checkpointer import Checkpointer
from thane.http.native import checkpoints
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.memory.archive import Archive
from thane.storage.database import open_database
from thane.testing.clock import TrioClock
from thane.testing.serving import Served, serving


class Site:
    def __init__(self, served: Served, house: doubles.Rooms, archive: Archive) -> None:
        self.served = served
        self.house = house
        self.archive = archive

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        answer = await self.served.ask(method, path, raw)
        assert status == answer.status, answer.body
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return msgspec.json.decode(answer.body) if is_json else answer.body


@asynccontextmanager
async def site(folder: Path) -> AsyncGenerator[Site]:
    async with open_database(folder / "thane.db", Storage()) as database:
        archive = Archive(database, TrioClock())
        async with doubles.rooms(archive=archive) as house:
            made = Checkpointer(
                archive.checkpoints, Checkpoints(), conversations=house.conversations, events=house.events
            )
            rooms = cast("Any", SimpleNamespace(archive=archive, settings=Settings(), checkpointer=made))
            app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
            app.register_blueprint(checkpoints.routes(rooms))
            app.register_blueprint(checkpoints.file_routes(rooms))
            async with serving(app) as served:
                yield Site(served, house, archive)


async def test_null_is_absent_and_unknown_fields_are_ignored(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        made = await s.ask("POST", "/v1/checkpoints", {"trigger": None, "note": None, "more": 1}, status=201)
        assert ("manual", "") == (made["trigger"], made["note"])
        assert "Expected `str`" in (await s.ask("POST", "/v1/checkpoints", {"note": 5}, status=400))["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/checkpoint", "/v1/checkpoints"])
async def test_a_checkpoint_is_made_read_and_deleted_at_both_names(tmp_path: Path, path: str) -> None:
    async with site(tmp_path) as s:
        await s.house.ask(turn("hello"))
        made = await s.ask("POST", path, {"note": "mine"}, status=201)
        assert ("manual", "mine", 2) == (made["trigger"], made["note"], made["message_count"])
        whole = await s.ask("GET", f"{path}/{made['id']}")
        (talk,) = whole["state"]["conversations"]
        assert ["hello", "You said hello"] == [each["content"] for each in talk["messages"]]
        assert ([], []) == (whole["damaged"], whole["state"]["facts"])
        page = await s.ask("GET", "/v1/checkpoints")
        assert ([made["id"]], 1, None) == ([each["id"] for each in page["checkpoints"]], page["count"], page["next"])
        assert ("state" in made) == (path == "/v1/checkpoint")  # as the reference answers there
        assert made == (whole if "state" in made else page["checkpoints"][0])
        await s.ask("GET", f"{path}/none", status=400)
        await s.ask("DELETE", f"{path}/none", status=400)
        await s.ask("DELETE", f"{path}/{made['id']}", status=204)
        await s.ask("DELETE", f"{path}/{made['id']}", status=404)
        await s.ask("GET", f"{path}/{made['id']}", status=404)
        assert [] == (await s.ask("GET", "/v1/checkpoints"))["checkpoints"]


async def test_a_restore_says_first_what_it_would_do(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        said = await s.house.ask(turn("hello"))
        made = await s.ask("POST", "/v1/checkpoint", status=201)
        await s.archive.delete(said.conversation_id)
        path = f"/v1/checkpoint/{made['id']}/restore"
        planned = await s.ask("POST", path, {"dry_run": True})
        assert ("dry_run", [("back", 2)]) == (
            *(planned["status"], [(each["change"], each["added"]) for each in planned["changes"]]),
        )
        assert await s.archive.conversation(said.conversation_id) is None
        done = await s.ask("POST", path)
        assert ("restored", planned["changes"]) == (done["status"], done["changes"])
        assert 2 == len(await s.archive.messages(said.conversation_id))
        assert "pre-restore" == (await s.ask("GET", f"/v1/checkpoints/{done['before']}"))["trigger"]
        await s.ask("POST", path, {"conversations": ["c_none"]}, status=400)
        await s.ask("POST", "/v1/checkpoints/0190a8a0-0000-7000-8000-000000000000/restore", status=404)
        await s.ask("POST", path, b"[", status=400)


async def test_a_checkpoint_is_taken_as_a_file_to_another_thane(tmp_path: Path) -> None:
    async with site(tmp_path / "a") as s:
        said = await s.house.ask(turn("hello"))
        made = await s.ask("POST", "/v1/checkpoints", status=201)
        file = await s.ask("GET", f"/v1/checkpoints/{made['id']}/export")
    async with site(tmp_path / "b") as s:
        taken = await s.ask("POST", "/v1/checkpoint-imports", file, status=201)
        assert ("import", 2, []) == (taken["trigger"], taken["message_count"], taken["damaged"])
        await s.ask("POST", f"/v1/checkpoints/{taken['id']}/restore")
        assert 2 == len(await s.archive.messages(said.conversation_id))
        await s.ask("POST", "/v1/checkpoint-imports", b"no such file", status=400)


async def test_pages_follow_each_other(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        for _ in range(3):
            await s.ask("POST", "/v1/checkpoints", status=201)
        page = await s.ask("GET", "/v1/checkpoints?limit=2")
        rest = await s.ask("GET", f"/v1/checkpoints?limit=2&cursor={page['next']}")
        assert (2, 1, None) == (page["count"], rest["count"], rest["next"])
