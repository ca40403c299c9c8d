"""What a model remembers is of who is speaking, and of nobody else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tests.home.doubles import StandingClock
from thane.config.settings import Storage
from thane.ids import Ids
from thane.memory.fact import NewFact
from thane.memory.facts import Facts
from thane.storage.database import open_database
from thane.tools.facts import fact_tools
from thane.tools.tool import ToolContext, ToolRegistry
from thane.turn import JSON


def speaking(user: str, conversation_id: str = "c_1") -> ToolContext:
    return ToolContext("r_1", "call_1", conversation_id, "api", "en", user=user)


class World:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._tools = ToolRegistry(fact_tools(facts, most=5))

    async def call(self, name: str, context: ToolContext, **arguments: object) -> Any:
        tool = self._tools.get(name)
        assert tool is not None
        given: JSON = dict(arguments)
        return msgspec.json.decode((await tool.call(given, context)).content)

    async def known(self, context: ToolContext) -> list[str]:
        found = await self.call("recall_fact", context)
        return [fact["value"] for fact in found["data"]["facts"]]


@asynccontextmanager
async def world(path: Path) -> AsyncGenerator[World]:
    clock = StandingClock()
    async with open_database(path / "thane.db", Storage()) as database:
        yield World(Facts(database, clock, Ids(Random(1), clock)))


async def test_one_person_is_not_told_what_another_said(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        told = await w.call("remember_fact", speaking("anna"), category="user", key="allergy", value="Nuts")

        assert ["Nuts"] == await w.known(speaking("anna", "c_2"))
        assert [] == await w.known(speaking("ben"))
        assert [] == await w.known(speaking(""))
        fact_id = told["data"]["remembered"]["id"]
        assert (await w.call("forget_fact", speaking("ben"), id=fact_id))["error"]
        assert (await w.call("forget_fact", speaking("ben"), key="allergy"))["error"]
        assert ["Nuts"] == await w.known(speaking("anna"))


async def test_of_somebody_unknown_it_stays_in_the_conversation(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.call("remember_fact", speaking(""), category="user", key="name", value="Kim")

        assert ["Kim"] == await w.known(speaking(""))
        assert [] == await w.known(speaking("", "c_2"))
        assert (await w.call("remember_fact", speaking("", ""), category="user", key="name", value="Kim"))["error"]


async def test_what_is_of_the_house_is_known_to_all_and_forgotten_by_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.call("remember_fact", speaking("anna"), category="routine", key="Bin day", value="Monday")
        assert ["Monday"] == await w.known(speaking("ben", "c_2"))

        forgotten = await w.call("forget_fact", speaking("anna"), key="bin day")

        assert not forgotten["error"]
        assert [] == await w.known(speaking("ben"))


async def test_bad_arguments_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for wrong in ({"scope": "world"}, {"category": "cars"}, {"value": ""}, {"value": "x" * 5000}):
            arguments = {"category": "user", "key": "k", "value": "v"} | wrong
            answer = await w.call("remember_fact", speaking("anna"), **arguments)
            assert answer["error"], wrong
        assert [] == await w.known(speaking("anna"))


async def test_what_a_person_wrote_stays_and_the_model_is_told_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        mine = await w.facts.remember(NewFact("person", "anna", "user", "tea", "green", "person"))

        refused = await w.call("remember_fact", speaking("anna"), category="user", key="tea", value="black")

        assert refused["error"]
        assert "KeptByPerson" == refused["data"]["error"]
        assert "as a proposal" in refused["data"]["error_text"]
        assert ["green"] == await w.known(speaking("anna"))
        refused = await w.call("forget_fact", speaking("anna"), id=mine.id, erase=True)
        assert "KeptByPerson" == refused["data"]["error"]
        assert not (await w.call("forget_fact", speaking("anna"), id=mine.id))["error"]


async def test_a_model_erases_what_a_model_noted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.call("remember_fact", speaking("anna"), category="user", key="tea", value="black")
        erased = await w.call("forget_fact", speaking("anna"), key="tea", erase=True)
        assert 1 == erased["data"]["erased"]
        assert erased["data"]["remains"]
        assert () == await w.facts.list(equal={})
