"""Facts: one value holds under a name, nothing leaves its scope, and what was forgotten is told to nobody."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.home.doubles import StandingClock
from tests.memory.samples import conversation, run, said
from thane.config.settings import Facts as FactSettings
from thane.config.settings import Storage
from thane.errors import ClientError
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.memory.fact import Asker, Fact, NewFact, Scope, may_see
from thane.memory.facts import Facts
from thane.storage import fact_rows
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock

ANNA = Asker("anna", "c_1", "r_1")
BEN = Asker("ben", "c_2", "r_2")


class World:
    def __init__(self, database: Database, limits: FactSettings) -> None:
        self.database = database
        self.clock = StandingClock()
        self.facts = Facts(database, self.clock, Ids(random.Random(1), self.clock), limits)
        self.archive = Archive(database, TrioClock())


@asynccontextmanager
async def world(path: Path, limits: FactSettings = FactSettings()) -> AsyncGenerator[World]:  # noqa: B008 frozen
    async with open_database(path / "thane.db", Storage()) as database:
        yield World(database, limits)


def of(scope: Scope, subject: str, key: str, value: str, **more: Any) -> NewFact:
    return NewFact(scope, subject, "user", key, value, "model", "r_0", **more)


def values(facts: tuple[Fact, ...]) -> set[str]:
    return {fact.value for fact in facts}


async def test_a_new_value_supersedes_the_old_one_which_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = await w.facts.remember(of("person", "anna", "Favourite  colour", "green"))
        new = await w.facts.remember(of("person", "anna", "favourite colour", "blue"))

        found, chain, uses = await w.facts.get(old.id)

        assert ("superseded", new.id) == (found.state, found.superseded_by)
        assert ["blue", "green"] == [fact.value for fact in chain]
        assert [("r_0", "remember")] == [(use.run_id, use.how) for use in uses]
        assert {"blue"} == values(await w.facts.recall(ANNA, "colour"))


async def test_the_same_again_is_no_new_fact(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first = await w.facts.remember(of("house", "", "bin day", "Monday", confidence=0.5))
        again = await w.facts.remember(of("house", "", "bin day", "Monday", confidence=0.9))

        assert (first.id, 0.9) == (again.id, again.confidence)


async def test_a_fact_holds_in_its_time_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        now = w.clock.time()
        await w.facts.remember(of("house", "", "guest", "Carla", valid_until=now))
        await w.facts.remember(of("house", "", "holiday", "Italy", valid_from=now + 1))
        await w.facts.remember(of("house", "", "heating", "off", valid_from=now, valid_until=now + 1))

        assert {"off"} == values(await w.facts.recall(ANNA, ""))


async def test_forgotten_is_kept_for_the_record_and_erased_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = await w.facts.remember(of("person", "anna", "doctor", "Dr Lee"))
        fact = await w.facts.remember(of("person", "anna", "doctor", "Dr Moss"))
        await w.facts.forget(fact.id, asker=ANNA)
        assert () == await w.facts.recall(ANNA, "doctor")
        assert ["forgotten", "superseded"] == sorted(each.state for each in await w.facts.list(equal={}))

        await w.facts.erase(fact.id)

        assert () == await w.facts.list(equal={}, q="Lee OR Moss")
        with pytest.raises(ClientError, match="not found"):
            await w.facts.get(old.id)


async def test_nobody_forgets_what_is_not_theirs(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        fact = await w.facts.remember(of("person", "anna", "doctor", "Dr Lee"))

        with pytest.raises(ClientError, match="not found"):
            await w.facts.erase(fact.id, asker=BEN)

        assert {"Dr Lee"} == values(await w.facts.recall(ANNA, "doctor"))


async def test_uses_are_noted_on_the_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        fact = await w.facts.remember(of("house", "", "bin day", "Monday"))
        await w.facts.for_prompt(ANNA, "When are the bins out?")
        await w.facts.recall(BEN, "bin")
        await w.database.write(lambda _: None)  # what was posted before is written before

        assert [(fact.id, "prompt")] == [(use.fact_id, use.how) for use, _ in await w.facts.used_by("r_1")]
        assert [(fact.id, "recall")] == [(use.fact_id, use.how) for use, _ in await w.facts.used_by("r_2")]


async def test_a_prompt_holds_no_more_than_it_may(tmp_path: Path) -> None:
    async with world(tmp_path, FactSettings(prompt_facts=3, prompt_chars=25)) as w:
        for number in range(5):
            await w.facts.remember(of("person", "anna", f"k{number}", "x" * 8))

        assert 2 == len(await w.facts.for_prompt(ANNA, ""))


async def test_what_means_the_same_is_found_and_a_slow_model_is_not_waited_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    slow = False

    async def embed(texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        if slow:
            await trio.sleep_forever()
        return tuple((1.0, 0.0) if "sofa" in text or "couch" in text else (0.0, 1.0) for text in texts)

    autojump_clock.autojump_threshold = 0.2  # threads of the database work meanwhile
    async with world(tmp_path) as w:
        w.facts.understand("m", embed)
        await w.facts.remember(of("house", "", "sofa", "is grey"))
        await w.facts.remember(of("house", "", "bins", "on Monday"))
        await w.facts.remember(of("person", "ben", "sofa", "he hates it"))
        assert {"is grey"} == values(await w.facts.recall(ANNA, "couch"))

        slow = True
        assert () == await w.facts.recall(ANNA, "couch")


async def test_facts_of_a_conversation_go_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ended = run("r_9", "c_1")
        await w.archive.run_ended(conversation("c_1"), ended, said(ended, "hello"))
        await w.facts.remember(of("conversation", "c_1", "plan", "a party"))
        await w.facts.remember(of("conversation", "c_2", "plan", "a cake"))

        assert await w.archive.delete("c_1")

        assert {"a cake"} == values(await w.facts.list(equal={}))
        assert () == await w.facts.list(equal={}, q="party")


async def test_a_checkpoint_brings_facts_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        kept = await w.facts.remember(of("person", "anna", "doctor", "Dr Lee"))
        gone = await w.facts.remember(of("person", "anna", "dentist", "Dr Fox"))
        before = await w.facts.list(equal={})
        made = await w.archive.checkpoints.create("manual")
        await w.facts.remember(of("person", "anna", "doctor", "Dr Moss"))
        await w.facts.forget(gone.id)
        await w.facts.remember(of("house", "", "bins", "Monday"))

        difference, _ = await w.archive.checkpoints.restore(made.id)

        assert 2 == made.fact_count
        assert {("fact", "person:anna", "changed"), ("fact", "house:", "removed")} == {
            (change.kind, change.name, change.change) for change in difference.changes
        }
        assert before == await w.facts.list(equal={})
        assert {kept.value} == values(await w.facts.recall(ANNA, "doctor"))
        assert {"Dr Fox"} == values(await w.facts.recall(ANNA, "dentist"))


SCOPES: tuple[Scope, ...] = get_args(Scope.__value__)
SUBJECTS = st.sampled_from(["anna", "ben", "c_1", "c_2"])
FACTS = st.lists(
    st.tuples(st.sampled_from(SCOPES), SUBJECTS, st.sampled_from(["tea", "music"]), st.text("ab", min_size=1)),
    max_size=12,
)
ASKERS = st.builds(
    Asker, st.sampled_from(["", "anna", "ben", "c_1"]), st.sampled_from(["", "c_1", "c_2", "anna"]), st.just("r")
)


@given(FACTS, ASKERS)
@settings(deadline=None, max_examples=40)
def test_nothing_leaves_its_scope_and_one_value_holds(told: list[tuple[Scope, str, str, str]], asker: Asker) -> None:
    async def check(path: Path) -> None:
        async with world(path) as w:
            model: dict[tuple[str, str, str], str] = {}
            for scope, who, key, value in told:
                subject = "" if scope == "house" else who
                await w.facts.remember(of(scope, subject, key, value))
                model[scope, subject, key] = value
            stored = await w.facts.list(equal={}, limit=100)
            current = [fact for fact in stored if fact.state == "current"]
            assert model == {(fact.scope, fact.subject, fact.key): fact.value for fact in current}
            assert len(model) == len(current)
            by_id = {fact.id: fact for fact in stored}
            for fact in stored:  # every chain ends at what holds, under the same name
                end = fact
                while end.superseded_by:
                    end = by_id[end.superseded_by]
                assert end.state == "current"
                assert (end.scope, end.subject, end.key) == (fact.scope, fact.subject, fact.key)
            wanted = {fact.id for fact in current if may_see(asker, fact)}
            assert wanted == {fact.id for fact in await w.facts.recall(asker, "", limit=100)}
            for text in ("tea", "tea OR music", "a* OR b*"):
                assert {fact.id for fact in await w.facts.recall(asker, text, limit=100)} <= wanted
            assert {fact.id for fact in await w.facts.for_prompt(asker, "music tea")} <= wanted

    with TemporaryDirectory() as folder:
        trio.run(check, Path(folder))


async def test_that_there_are_none_is_not_believed_for_long(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as w:
        asked, is_any = list[str](), fact_rows.is_any

        def look(connection: sqlite3.Connection) -> bool:
            asked.append("look")
            return is_any(connection)

        monkeypatch.setattr(fact_rows, "is_any", look)
        assert () == await w.facts.for_prompt(ANNA, "When are the bins out?")
        assert () == await w.facts.for_prompt(ANNA, "When are the bins out?")
        assert ["look"] == asked

        elsewhere = Facts(w.database, w.clock, Ids(random.Random(2), w.clock))  # as a restored checkpoint
        await elsewhere.remember(of("house", "", "bins", "Monday"))
        mock_clock.jump(5)
        assert {"Monday"} == values(await w.facts.for_prompt(ANNA, "When are the bins out?"))


async def test_the_first_fact_is_told_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert () == await w.facts.for_prompt(ANNA, "When are the bins out?")
        await w.facts.remember(of("house", "", "bins", "Monday"))
        assert {"Monday"} == values(await w.facts.for_prompt(ANNA, "When are the bins out?"))
