"""The native routes of loops, runs and conversations on a free port, over the tracker on its doubles."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from tests.conversations import doubles
from tests.conversations.doubles import Script
from tests.ledger.doubles import FakeLedger
from thane.config.settings import Events, Limits, Settings
from thane.events.bus import EventBus
from thane.http.native import conversations, logs, loops, requests, runs
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.journal.index import Journal
from thane.testing.clock import TrioClock
from thane.testing.serving import Answer, Served, serving


class Site:
    """The served routes and the house behind them."""

    def __init__(self, served: Served, house: doubles.Rooms, bus: EventBus) -> None:
        self.served = served
        self.house = house
        self.bus = bus

    async def get(self, path: str) -> Any:
        answer = await self.served.ask("GET", path)
        assert 200 == answer.status, answer.body
        assert "application/json; charset=utf-8" == answer.headers["content-type"]
        return msgspec.json.decode(answer.body)

    async def ask(self, method: str, path: str, *headers: str) -> Answer:
        return await self.served.ask(method, path, b"", *headers)

    async def send(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a request that has to work."""
        answer = await self.served.ask(method, path, b"" if body is None else msgspec.json.encode(body))
        assert 200 == answer.status, answer.body
        return msgspec.json.decode(answer.body)

    async def refused(self, method: str, path: str) -> tuple[int, str, str]:
        """Status, type and code of an error."""
        answer = await self.served.ask(method, path)
        error = msgspec.json.decode(answer.body)["error"]
        return answer.status, error["type"], error["code"]


@asynccontextmanager
async def site(
    script: Script = doubles.echo, *, journal: Journal | None = None, **events: float
) -> AsyncGenerator[Site]:
    settings = Settings(events=Events(**events))  # pyright: ignore[reportArgumentType] counts are whole here
    clock, nothing = TrioClock(), cast("Any", None)
    bus = EventBus(settings.events, clock)
    async with doubles.rooms(script, publisher=bus) as house:
        rooms = Rooms(
            settings=settings,
            clock=clock,
            ids=Ids(random.Random(1), clock),
            version=nothing,
            started_at=clock.time(),
            bus=bus,
            archive=cast("Any", house.archive),
            ledger=cast("Any", FakeLedger()),
            conversations=house.conversations,
            loops=house.loops,
            home=None,
            health=nothing,
            models=lambda: (),
            journal=journal,
        )
        app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
        parts = (conversations.routes, conversations.export_routes, conversations.message_routes)
        for each in (*parts, loops.routes, logs.routes, runs.routes, requests.routes):
            app.register_blueprint(each(rooms))
        async with serving(app) as served:
            yield Site(served, house, bus)
