"""The routes of responses over the real tracker on its doubles, so that one answer can follow another."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from tests.conversations import doubles
from tests.conversations.doubles import Script
from tests.ledger.doubles import FakeLedger
from thane.config.settings import Limits, Settings
from thane.http.openai import responses
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.models.provider import ModelInfo
from thane.testing.clock import TrioClock
from thane.testing.serving import Served, serving


class Site:
    """The served routes and the house behind them."""

    def __init__(self, served: Served, house: doubles.Rooms) -> None:
        self.served = served
        self.house = house

    async def post(self, body: dict[str, Any], *headers: str) -> tuple[int, Any]:
        answer = await self.served.ask("POST", "/v1/responses", msgspec.json.encode(body), *headers)
        return answer.status, msgspec.json.decode(answer.body)

    async def respond(self, words: object, **more: Any) -> Any:
        status, response = await self.post({"model": "thane", "input": words} | more)
        assert 200 == status, response
        return response

    async def get(self, response_id: str) -> tuple[int, Any]:
        answer = await self.served.ask("GET", f"/v1/responses/{response_id}")
        return answer.status, msgspec.json.decode(answer.body)


@asynccontextmanager
async def site(script: Script = doubles.echo) -> AsyncGenerator[Site]:
    clock, nothing = TrioClock(), cast("Any", None)
    async with doubles.rooms(script) as house:
        rooms = Rooms(
            settings=Settings(),
            clock=clock,
            ids=Ids(random.Random(1), clock),
            version=nothing,
            started_at=clock.time(),
            bus=nothing,
            archive=cast("Any", house.archive),
            ledger=cast("Any", FakeLedger()),
            conversations=house.conversations,
            loops=house.loops,
            home=None,
            health=nothing,
            models=lambda: (ModelInfo("embedded", "embedded"),),
        )
        app: Any = ThaneApp("native", limits=Limits(), problems=native_problem)
        app.register_blueprint(responses.routes(rooms))
        async with serving(app) as served:
            yield Site(served, house)
