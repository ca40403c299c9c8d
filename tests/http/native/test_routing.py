from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from tests.loops.doubles import Events
from tests.router.test_decisions import decision, ended
from thane.config.routing import Routing
from thane.config.settings import Limits, Storage
from thane.http.native import routing
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.models.provider import ModelError
from thane.router.circuit import Circuits
from thane.router.decision import fields
from thane.router.decisions import Decisions
from thane.storage.database import open_database
from thane.testing.serving import Served, serving


@asynccontextmanager
async def router(path: Path) -> AsyncGenerator[Served]:
    """The routes over three decisions, and a model that keeps failing."""
    circuits = Circuits(Routing(circuit_failures=1), Events())
    circuits.failed(("ollama", "qwen3"), ModelError("busy", dependency="ollama", status=503))
    async with open_database(path / "thane.db", Storage()) as database:
        decisions = Decisions(database, kept=100)
        for number, latency in enumerate((1.0, 2.0, 6.0)):
            decisions.note(decision(f"r_{number}", ended(latency)))
        await database.write(lambda _: None)
        rooms = cast("Rooms", SimpleNamespace(decisions=decisions, circuits=circuits))
        app = ThaneApp("test", limits=Limits(), problems=native_problem)
        app.register_blueprint(routing.routes(rooms))
        async with serving(app) as served:
            yield served


async def get(served: Served, path: str) -> Any:
    answer = await served.ask("GET", path)
    assert 200 == answer.status, answer.body
    return msgspec.json.decode(answer.body)


async def test_a_decision_is_told_alike_by_its_older_and_its_newer_name(tmp_path: Path) -> None:
    async with router(tmp_path) as served:
        older = await get(served, "/v1/router/explain/r_1")
        assert msgspec.json.decode(msgspec.json.encode(fields(decision("r_1", ended(2.0))))) == older
        assert older == await get(served, "/v1/requests/r_1/routing")
        missing = await served.ask("GET", "/v1/router/explain/r_9")
        error = msgspec.json.decode(missing.body)["error"]
        assert (404, "decision not found") == (missing.status, error["message"])


async def test_the_totals_and_the_latest_are_told(tmp_path: Path) -> None:
    async with router(tmp_path) as served:
        stats = await get(served, "/v1/router/stats")
        assert (3, {"qwen3": 3000.0}) == (stats["total_requests"], stats["avg_latency_ms"])
        audit = await get(served, "/v1/router/audit?limit=2")
        assert (2, ["r_1", "r_2"]) == (audit["count"], [each["request_id"] for each in audit["decisions"]])
        telemetry = await get(served, "/v1/telemetry/router")
        assert stats.items() <= telemetry.items()
        assert [("qwen3", "open")] == [(each["model"], each["state"]) for each in telemetry["circuits"]]


async def test_without_a_router_it_is_said_so(tmp_path: Path) -> None:
    app = ThaneApp("test", limits=Limits(), problems=native_problem)
    app.register_blueprint(routing.routes(cast("Rooms", SimpleNamespace(decisions=None))))
    async with serving(app) as served:
        assert 503 == (await served.ask("GET", "/v1/router/stats")).status
