"""Facts over HTTP, over a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from tests.home.doubles import StandingClock
from thane.config.settings import Limits, Settings, Storage
from thane.http.native import facts as native
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.ids import Ids
from thane.memory.fact import Asker
from thane.memory.facts import Facts
from thane.storage.database import open_database
from thane.testing.serving import Served, serving


class Site:
    def __init__(self, served: Served, facts: Facts) -> None:
        self.served = served
        self.facts = facts

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        raw = b"" if body is None else msgspec.json.encode(body)
        answer = await self.served.ask(method, path, raw)
        assert status == answer.status, answer.body
        return msgspec.json.decode(answer.body) if answer.body else None

    async def add(self, key: str, value: str, **more: object) -> Any:
        return await self.ask("POST", "/v1/facts", {"category": "home", "key": key, "value": value} | more, status=201)


@asynccontextmanager
async def site(folder: Path) -> AsyncGenerator[Site]:
    clock = StandingClock()
    async with open_database(folder / "thane.db", Storage()) as database:
        facts = Facts(database, clock, Ids(Random(1), clock))
        app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
        app.register_blueprint(native.routes(cast("Any", SimpleNamespace(settings=Settings(), facts=facts))))
        async with serving(app) as served:
            yield Site(served, facts)


async def test_a_fact_is_made_corrected_and_forgotten(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        made = await s.add("bin day", "Monday")
        right = await s.ask("PATCH", f"/v1/facts/{made['id']}", {"value": "Tuesday"})
        await s.facts.recall(Asker("anna", "c_1", "r_1"), "bin")
        await s.facts.erase((await s.add("other", "x"))["id"])  # written after what was posted before

        whole = await s.ask("GET", f"/v1/facts/{right['id']}")

        assert ("person", "Tuesday", None) == (whole["source"], whole["value"], whole["valid_until"])
        assert ["Tuesday", "Monday"] == [each["value"] for each in whole["history"]]
        assert [("r_1", "recall")] == [(use["run_id"], use["how"]) for use in whole["uses"]]
        await s.ask("PATCH", f"/v1/facts/{made['id']}", {"value": "Friday"}, status=409)
        await s.ask("DELETE", f"/v1/facts/{right['id']}", status=204)
        assert [] == (await s.ask("GET", "/v1/facts"))["facts"]
        assert 2 == (await s.ask("GET", "/v1/facts?state=all"))["count"]
        erased = await s.ask("DELETE", f"/v1/facts/{right['id']}?erase=true")
        assert (2, 0, True) == (erased["facts"], erased["checkpoints"], erased["was_told"])
        assert "event log" in erased["remains"][0]
        assert 0 == (await s.ask("GET", "/v1/facts?state=all"))["count"]
        await s.ask("GET", f"/v1/facts/{made['id']}", status=404)


async def test_the_list_is_searched_selected_and_paged(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        for number in range(5):
            await s.add(f"key {number}", "light" if number % 2 else "dark")
        await s.add("doctor", "Dr Lee", scope="person", subject="anna")

        seen: list[str] = []
        path = "/v1/facts?limit=2"
        while path:
            page = await s.ask("GET", path)
            seen += [each["key"] for each in page["facts"]]
            path = f"/v1/facts?limit=2&cursor={page['next']}" if page["next"] else ""

        assert sorted([*(f"key {number}" for number in range(5)), "doctor"]) == sorted(seen)
        assert {"key 1", "key 3"} == {
            each["key"] for each in (await s.ask("GET", "/v1/facts?q=AND%20%22ligh"))["facts"]
        }
        assert ["doctor"] == [each["key"] for each in (await s.ask("GET", "/v1/facts?subject=anna"))["facts"]]


async def test_what_is_no_fact_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        for wrong in ({"scope": "person"}, {"subject": "anna"}, {"category": "cars"}, {"key": " "}, {"confidence": 2}):
            body = {"category": "home", "key": "k", "value": "v"} | wrong
            await s.ask("POST", "/v1/facts", body, status=400)
        await s.ask("DELETE", "/v1/facts/none", status=404)
        await s.ask("GET", "/v1/facts?state=odd", status=400)
