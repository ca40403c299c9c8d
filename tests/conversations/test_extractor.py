"""Facts that a model finds after a turn: of who spoke, never in the way of a turn."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.conversations import doubles
from tests.conversations.doubles import Script, turn
from thane.agent.context import RunContext
from thane.config.settings import Extraction, Models, Storage
from thane.conversations.extractor import Extractor
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.memory.fact import Fact, NewFact
from thane.memory.facts import Facts
from thane.storage.database import open_database
from thane.testing.clock import TrioClock
from thane.turn import Caller, RunFailed, RunFinished, Turn, Usage

TEA = {"category": "preference", "key": "tea", "value": "Drinks it green.", "confidence": 0.8}


def answering(answer: str) -> Script:
    async def script(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
        if turn.caller.task:
            assert "fact_extraction" == turn.caller.task
            return doubles.finished(context, answer)
        return await doubles.echo(turn, context, send)

    return script


async def extracted(
    folder: Path,
    script: Script,
    *before: NewFact,
    user: str = "anna",
    settings: Extraction | None = None,
) -> tuple[Fact, ...]:
    async with open_database(folder / "thane.db", Storage()) as database:
        clock = TrioClock()
        archive = Archive(database, clock)
        facts = Facts(database, clock, Ids(Random(1), clock))
        for fact in before:
            await facts.remember(fact)
        async with doubles.rooms(script, archive=archive, models=Models(default="small")) as house:
            extractor = Extractor(facts, archive, house.conversations, settings or Extraction(), able=lambda: True)
            said = msgspec.structs.replace(turn("I drink my tea green"), caller=Caller(user=user))
            await house.ask(said)
            (run,) = await archive.runs()
            await extractor.look(run.id)
        return await facts.list(equal={"state": "current"}, limit=100)


async def test_what_is_found_is_of_who_spoke(tmp_path: Path) -> None:
    (fact,) = await extracted(tmp_path, answering(f"```json\n{msgspec.json.encode({'facts': [TEA]}).decode()}\n```"))

    assert ("person", "anna", "tea", "extraction", 0.8) == (
        *(fact.scope, fact.subject, fact.key, fact.source, fact.confidence),
    )
    assert fact.run_id
    assert fact.message_id


async def test_of_somebody_unknown_it_stays_in_the_conversation(tmp_path: Path) -> None:
    answer = msgspec.json.encode({"facts": [TEA | {"scope": "house"}]}).decode()
    (fact,) = await extracted(tmp_path, answering(answer), user="")

    assert "conversation" == fact.scope


async def test_it_supersedes_what_a_model_noted_and_never_what_a_person_wrote(tmp_path: Path) -> None:
    answer = answering(msgspec.json.encode({"facts": [TEA, TEA | {"key": "milk"}]}).decode())
    before = [
        NewFact("person", "anna", "preference", "tea", "Black.", "model"),
        NewFact("person", "anna", "preference", "milk", "Never.", "person"),
    ]

    found = await extracted(tmp_path, answer, *before)

    assert {("tea", "Drinks it green."), ("milk", "Never.")} == {(fact.key, fact.value) for fact in found}


async def test_what_a_person_wrote_long_ago_is_kept_too(tmp_path: Path) -> None:
    """The model is told of the newest facts only; what is older is a person's all the same."""
    older = NewFact("person", "anna", "preference", "tea", "Black.", "person")
    newer = [NewFact("person", "anna", "home", f"thing {n}", "Here.", "model") for n in range(60)]

    found = await extracted(tmp_path, answering(msgspec.json.encode({"facts": [TEA]}).decode()), older, *newer)

    assert ["Black."] == [fact.value for fact in found if fact.key == "tea"]


@pytest.mark.parametrize("answer", ["", "Sure!", '{"facts": 3}', '{"facts": [{"key": "x"}]}', '{"facts": []}'])
async def test_what_is_no_answer_costs_nothing(tmp_path: Path, answer: str) -> None:
    assert () == await extracted(tmp_path, answering(answer))


async def test_a_model_that_fails_costs_nothing(tmp_path: Path) -> None:
    async def broken(turn: Turn, context: RunContext, send: doubles.Send) -> RunFinished | RunFailed:
        if turn.caller.task:
            return RunFailed(context.run_id, "model", "It broke.", Usage(), 0.1)
        return await doubles.echo(turn, context, send)

    assert () == await extracted(tmp_path, broken)


async def test_a_short_conversation_is_not_looked_at(tmp_path: Path) -> None:
    answer = answering(msgspec.json.encode({"facts": [TEA]}).decode())

    assert () == await extracted(tmp_path, answer, settings=Extraction(min_messages=3))
