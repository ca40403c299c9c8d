from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest
import structlog
import trio
import trio.testing

from tests.agent.stage import Stage
from thane.config.routing import ProfileSettings, Routing
from thane.config.settings import AvailableModel
from thane.models.provider import ModelError, ModelRequest, ModelStream
from thane.router.decision import Decision
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.turn import Caller, ModelFailed, ModelFinished, ModelStarted, ModelWaits, Routed, Text

GONE = ModelError("It does not answer.", dependency="ollama")
BUSY = ModelError("busy", dependency="ollama", status=503)
OTHER = AvailableModel(name="other", provider="lan", cost_tier=1)


class Notes:
    def __init__(self) -> None:
        self.all: list[Decision] = []

    def note(self, decision: Decision, /) -> None:
        self.all.append(decision)


def two(first: ScriptedModel, second: ScriptedModel, **routing: object) -> tuple[Stage, Notes]:
    """An agent whose default fails over to `other` at the provider `lan`."""
    stage, notes = Stage(first, available=(OTHER,), others=(second,), routing=Routing(**routing)), Notes()  # type: ignore[arg-type]  # settings
    stage.agent.decisions = notes
    return stage, notes


def lan(*scripts: object) -> ScriptedModel:
    return ScriptedModel(*scripts, name="lan", models=("other",))  # type: ignore[arg-type]  # scripts


async def test_the_next_model_answers_in_place_of_one_that_fails() -> None:
    stage, notes = two(ScriptedModel([GONE]), lan(say("I am here.")))
    end = await stage.answered()
    assert ("I am here.", "other") == (end.text, end.model)
    assert ["qwen3:4b", "other"] == [started.model for started in stage.of(ModelStarted)]
    assert "other answers in place of qwen3:4b: It does not answer." == stage.of(ModelStarted)[1].reason
    (failed,) = stage.of(ModelFailed)
    assert ("fallback", "other") == (failed.next, failed.next_model)
    assert ["qwen3:4b"] == [routed.model for routed in stage.of(Routed)]
    outcome = notes.all[-1].outcome
    assert outcome is not None
    assert (True, "other", ("qwen3:4b",), "qwen3:4b") == (
        *(outcome.success, outcome.model, outcome.failed, notes.all[-1].model_selected),
    )


async def test_a_model_that_has_begun_to_speak_is_not_replaced() -> None:
    stage, _ = two(ScriptedModel([(Text("Half"),), GONE]), lan(say("Half and more.")))
    assert "It does not answer." == (await stage.failed()).message
    assert ("Half", 1) == (stage.text, len(stage.of(ModelStarted)))


async def test_tools_are_not_run_again_where_a_later_step_falls_back() -> None:
    first = ScriptedModel([calls(("GetDateTime", {}))], [GONE])
    stage, _ = two(first, lan(say("Noon.")))
    end = await stage.answered()
    assert ("Noon.", "other", 2) == (end.text, end.model, end.steps)


async def test_every_try_begins_and_ends_once(autojump_clock: trio.testing.MockClock) -> None:
    stage, _ = two(ScriptedModel([BUSY]), lan([BUSY], say("Hi.")))
    await stage.answered()
    tries = [type(event) for event in stage.events if isinstance(event, ModelStarted | ModelFailed | ModelFinished)]
    assert [ModelStarted, ModelFailed] * 3 + [ModelStarted, ModelFinished] == tries
    assert ["retry", "fallback", "retry"] == [failed.next for failed in stage.of(ModelFailed)]


async def test_a_wait_that_the_model_server_asks_for_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    wait = ModelError("busy", dependency="ollama", status=429, retry_after=4.0)
    stage, _ = two(ScriptedModel([wait], say("Hi.")), lan(say("x")))
    began = trio.current_time()
    assert "qwen3:4b" == (await stage.answered()).model
    assert 4.0 <= trio.current_time() - began < 5.0


async def test_a_wait_that_is_too_long_gives_the_turn_to_the_next(autojump_clock: trio.testing.MockClock) -> None:
    wait = ModelError("busy", dependency="ollama", status=429, retry_after=60.0)
    stage, _ = two(ScriptedModel([wait]), lan(say("Hi.")))
    began = trio.current_time()
    assert "other" == (await stage.answered()).model
    assert began == trio.current_time()


async def test_a_model_that_keeps_failing_is_left_alone_and_tried_again_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage, notes = two(ScriptedModel([GONE]), lan(say("Hi.")), circuit_failures=2, circuit_cooling_seconds=30)
    for _ in range(3):
        await stage.ask()
    assert 2 == len(stage.model.requests)
    (rejected,) = [each for each in notes.all[-1].candidates if each.state == "rejected"]
    assert "It failed 2 times in a row and is tried again in 30 s." == rejected.reason
    await trio.sleep(30)
    stage.model.replace(say("Back."))
    stage.batches.clear()
    assert "qwen3:4b" == (await stage.answered()).model


async def test_a_turn_that_nobody_may_answer_ends_with_the_reason(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(ScriptedModel([GONE]), routing=Routing(circuit_failures=1))
    await stage.failed()
    end = await stage.failed()
    assert ("unavailable", 1) == (end.failure, len(stage.model.requests))
    assert "No model can answer now. qwen3:4b: it failed 1 times in a row and is tried again in 30 s." == end.message


async def test_no_other_model_of_a_server_is_tried_that_cannot_be_reached() -> None:
    out = ModelError("Is it running?", dependency="ollama", whole_server=True)
    sibling = AvailableModel(name="sibling", provider="ollama")
    first = ScriptedModel([out])
    stage = Stage(first, available=(sibling, OTHER), others=(lan(say("Hi.")),))
    assert "other" == (await stage.answered()).model
    assert 1 == len(first.requests)


async def test_a_cancelled_call_frees_the_probe(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(ScriptedModel([GONE]), routing=Routing(circuit_failures=1, circuit_cooling_seconds=1))
    await stage.failed()
    await trio.sleep(1)
    stage.model.replace([99.0])
    with trio.move_on_after(2):
        await stage.ask()
    stage.model.replace(say("Hi."))
    stage.batches.clear()
    assert "Hi." == (await stage.answered()).text


@pytest.mark.parametrize("most", [0, 1])
async def test_as_many_other_models_are_tried_as_the_setting_says(most: int) -> None:
    more = AvailableModel(name="third", provider="lan", cost_tier=2)
    stage = Stage(
        ScriptedModel([GONE]), available=(OTHER, more), others=(lan([GONE]),), routing=Routing(fallback_models=most)
    )
    await stage.failed()
    assert 1 + most == len(stage.of(ModelStarted))


async def test_a_run_that_is_cancelled_leaves_its_decision_with_that_outcome(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage, notes = two(ScriptedModel([99.0]), lan(say("x")))
    with trio.move_on_after(1):
        await stage.ask()
    outcome = notes.all[-1].outcome
    assert outcome is not None
    assert (False, "cancelled", 1.0) == (outcome.success, outcome.failure, outcome.latency)


class Budget:
    """So many calls of models that cost something; `embedded` and `free` cost nothing."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.told: list[str] = []

    def stop(self, run_id: str, profile: str, provider: str, model: str) -> str:
        if self.is_free(provider, model):
            return ""
        self.left -= 1
        if self.left >= 0:
            return ""
        self.told.append(model)
        return "Today's budget is used up."

    def refusals(self, run_id: str, profile: str, models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        if self.left > 0:
            return {}
        return {key: "Today's budget is used up." for key in models if not self.is_free(*key)}

    def is_free(self, provider: str, model: str) -> bool:
        return model in ("embedded", "other")


def within(budget: Budget, stage: Stage) -> Stage:
    stage.agent.routes.budget = budget
    return stage


async def test_a_budget_that_ends_between_two_steps_ends_the_turn_with_its_sentence() -> None:
    model = ScriptedModel([(Text("Let me see."),), calls(("GetDateTime", {}))], say("Noon."))
    end = await within(Budget(1), Stage(model)).answered()
    assert ("Let me see.\n\nToday's budget is used up.", "budget", 1) == (
        end.text,
        end.finish_reason,
        len(model.requests),
    )


async def test_without_money_a_model_that_costs_nothing_answers() -> None:
    stage, _ = two(ScriptedModel(say("x")), lan(say("For free.")))
    assert "For free." == (await within(Budget(0), stage).answered()).text
    alone = within(Budget(0), Stage(ScriptedModel(say("x"))))
    end = await alone.answered()
    assert ("Today's budget is used up.", "budget", "") == (end.text, end.finish_reason, end.model)
    assert 1 == len(alone.agent.routes.budget.told)  # type: ignore[attr-defined]  # the double


async def test_a_budget_that_is_spent_before_the_turn_is_said_and_no_model_has_answered() -> None:
    stage, notes = within(Budget(0), Stage(ScriptedModel(say("x")))), Notes()
    stage.agent.decisions = notes
    await stage.answered()
    outcome = notes.all[-1].outcome
    assert outcome is not None
    assert (False, "budget", "") == (outcome.success, outcome.failure, outcome.model)


async def test_housekeeping_never_takes_the_sentence_of_a_budget_for_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = within(Budget(0), Stage(ScriptedModel(say("x"))))
    assert "Today's budget is used up." == (await before.failed(caller=Caller(task="title_generation"))).message
    named = within(Budget(0), Stage(ScriptedModel(say("x"))))
    monkeypatch.setattr(named.agent.routes.budget, "refusals", Mock(return_value={}))  # it is spent after the choice
    assert "Today's budget is used up." == (await named.failed(caller=Caller(task="title_generation"))).message


class Crowded(ScriptedModel):
    """Has a place only after a wait."""

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelStream]:
        assert request.waits is not None
        await request.waits(True)
        await request.waits(False)
        async with super().stream(request) as stream:
            yield stream


async def test_a_wait_for_a_place_is_told_while_it_lasts() -> None:
    stage = Stage(Crowded(say("Hi.")))
    await stage.answered()
    assert [True, False] == [waits.waiting for waits in stage.of(ModelWaits)]
    assert isinstance(stage.events[stage.events.index(stage.of(ModelWaits)[0]) - 1], ModelStarted)


async def test_a_profile_may_name_models_that_are_not_among_the_candidates() -> None:
    mine = ProfileSettings(fallbacks=("other",))
    stage = Stage(ScriptedModel([GONE]), others=(lan(say("Here.")),), profiles={"mine": mine})
    await stage.catalogue.ask(stage.catalogue.providers()[-1])
    assert "other" == (await stage.answered(model="thane:mine")).model


async def test_what_waiting_does_not_mend_is_not_tried_again(autojump_clock: object) -> None:
    spent = ModelError("no money", dependency="ollama", status=429, temporary=False)
    first = ScriptedModel([spent], say("never said"))
    stage, _ = two(first, lan(say("I am here.")))
    assert "other" == (await stage.answered()).model
    assert 1 == len(first.requests)


async def test_a_former_name_of_a_profile_is_told_once(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(ScriptedModel(say("x"), say("y")))
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await stage.ask(model="thane:thinking")
    told = [(log["name"], log["now"]) for log in logs if "former name" in log["event"]]
    assert [("thane:thinking", "thane:premium")] == told
