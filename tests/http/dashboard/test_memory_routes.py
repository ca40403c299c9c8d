"""The Memory page as it is served, over real facts."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from urllib.parse import urlencode

from tests.http.dashboard.fakes import World
from thane.config.settings import Limits, Storage
from thane.http.dashboard.routes import routes
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.ids import Ids
from thane.memory.fact import FactSource, NewFact
from thane.memory.facts import Facts
from thane.storage.database import open_database
from thane.testing.serving import serving

FORM = "Content-Type: application/x-www-form-urlencoded"


async def test_a_proposal_is_accepted_dismissed_and_erased_on_the_page(tmp_path: Path) -> None:
    world = World()
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        facts = Facts(database, world.clock, Ids(random.Random(1), world.clock))
        app = ThaneApp("test", limits=Limits(), problems=native_problem)
        app.register_blueprint(routes(dataclasses.replace(world.rooms(), facts=facts)))

        async def tell(value: str, source: FactSource) -> str:
            return (await facts.remember(NewFact("house", "", "home", "sofa", value, source))).id

        await tell("grey", "person")
        async with serving(app) as served:

            async def page(path: str) -> str:
                return (await served.ask("GET", path)).body.decode()

            async def press(path: str, **form: str) -> str:
                answer = await served.ask("POST", path, urlencode(form).encode(), FORM)
                assert 303 == answer.status, answer.body
                return answer.headers["location"]

            assert "Proposed by a model" not in await page("/memory")
            black = await tell("<b>black</b>", "model")
            shown = await page("/memory")
            assert "Proposed by a model" in shown
            assert "&lt;b&gt;black" in shown
            assert "black" in await page("/memory?state=proposed")
            await press(f"/memory/{black}/forget")
            assert "Proposed by a model" not in await page("/memory")

            white = await tell("white", "model")
            await press(f"/memory/{white}/accept")
            assert ["white"] == [fact.value for fact in await facts.list(equal={"state": "current"})]

            where = await press(f"/memory/{white}/forget", erase="1")
            assert "What is left of it" in await page(where)
            assert () == await facts.list(equal={})
