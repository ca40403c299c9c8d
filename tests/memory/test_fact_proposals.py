"""What a person wrote is not a model's to replace; and what erasing takes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.memory.samples import conversation, run, said
from tests.memory.test_facts import ANNA, World, values, world
from thane.errors import ClientError
from thane.memory.fact import FactSource, NewFact
from thane.memory.records import SentPrompt, ToolCallRecord
from thane.turn import Message, Options, Prompt


async def tell(w: World, value: str, source: FactSource, run_id: str = "") -> str:
    return (await w.facts.remember(NewFact("person", "anna", "user", "tea", value, source, run_id))).id


async def test_a_model_proposes_against_a_person_and_replaces_a_model(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        mine = await tell(w, "green", "person")
        for source in ("model", "extraction"):
            await tell(w, "black", source)

        assert {"green"} == values(await w.facts.recall(ANNA, "tea"))
        (proposal,) = await w.facts.list(equal={"state": "proposed"})
        assert ("black", "model") == (proposal.value, proposal.source)

        await w.facts.accept(proposal.id)

        assert {"black"} == values(await w.facts.recall(ANNA, "tea"))
        fact, history, _ = await w.facts.get(mine)
        assert ("superseded", proposal.id) == (fact.state, fact.superseded_by)
        assert "person" == history[0].source  # so that it is not replaced by the next answer of a model
        with pytest.raises(ClientError, match="no proposal"):
            await w.facts.accept(proposal.id)


async def test_what_was_dismissed_is_not_proposed_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await tell(w, "green", "person")
        await w.facts.forget(await tell(w, "black", "model"))

        assert "" == await tell(w, "black", "extraction")
        assert "" != await tell(w, "white", "extraction")
        assert ["white"] == [each.value for each in await w.facts.list(equal={"state": "proposed"})]


async def test_a_person_settles_what_is_proposed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await tell(w, "green", "person")
        await tell(w, "black", "model")
        await tell(w, "green", "person")
        assert () == await w.facts.list(equal={"state": "proposed"})


async def test_what_a_person_wrote_for_a_time_gives_way_after_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        until = w.clock.time() + 10
        await w.facts.remember(NewFact("person", "anna", "user", "tea", "green", "person", valid_until=until))
        w.clock.now = until
        await tell(w, "black", "model")
        assert {"black"} == values(await w.facts.recall(ANNA, "tea"))


async def test_a_model_erases_nothing_that_a_person_wrote(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        mine = await tell(w, "green", "person")
        with pytest.raises(ClientError, match="only a person"):
            await w.facts.erase(mine, asker=ANNA)
        assert {"green"} == values(await w.facts.recall(ANNA, "tea"))


async def test_erased_it_is_nowhere_but_in_what_was_said(tmp_path: Path) -> None:
    secret = "zanzibar"
    async with world(tmp_path) as w:
        call = ToolCallRecord("1", "r_7", "c_1", 1, "remember_fact", f'{{"value": "{secret}"}}', secret, True, 1.0, 0.1)
        ended = run("r_7", "c_1", tool_calls=(call,))
        asked = said(ended, "remember my tea")
        fact = await tell(w, secret, "model", "r_7")
        prompt = Prompt((Message("system", f"Remembered: tea: {secret}."),), (), Options())
        await w.archive.run_ended(conversation("c_1"), ended, asked, [SentPrompt(0, 1, prompt)])
        await tell(w, f"{secret} again", "model")
        made = await w.archive.checkpoints.create("manual")
        assert secret in str(await w.archive.checkpoints.parts(made.id))
        assert asked[0].id == (await w.facts.get(fact))[0].message_id

        erased = await w.facts.erase(fact)

        assert (2, 1, 1, 1, ("c_1",)) == (
            *(erased.facts, erased.checkpoints, erased.prompts, erased.tool_calls, erased.conversations),
        )
        assert "c_1" in erased.remains[0]
        assert 0 == (await w.archive.checkpoints.get(made.id) or made).fact_count
        assert () == (await w.archive.checkpoints.compare(made.id)).changes
    assert secret.encode() not in (tmp_path / "thane.db").read_bytes()
