from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.config.providers import ModelProvider
from thane.config.routing import ProfileSettings
from thane.config.settings import AvailableModel, Models
from thane.models.provider import ModelInfo
from thane.router.decision import Candidate, Decision
from thane.router.models import EMBEDDED, by_name, candidates, is_local
from thane.router.profiles import SHIPPED, Profiles
from thane.router.route import BRAIN, Conditions, Routing, route, route_named, understood
from thane.router.score import Asked

SMALL = AvailableModel(name="qwen3:4b", quality=3, speed=8)
CLOUD = AvailableModel(name="claude", provider="anthropic", quality=9, cost_tier=3)
CHEAP = AvailableModel(name="tiny", quality=1, speed=10)
MODELS = Models(default="qwen3:4b", available=(CLOUD, SMALL, CHEAP))


def pick(
    name: str,
    settings: Models,
    known: tuple[ModelInfo, ...] = (),
    *,
    now: Conditions = Conditions(),  # noqa: B008 it is frozen
    profiles: dict[str, ProfileSettings] | None = None,
    **asked: Any,
) -> Routing:
    profile = Profiles(profiles).find(name)
    assert profile is not None
    asked.setdefault("query", "tell me a joke")
    asked.setdefault("context_tokens", 100)
    return route(Asked("r_1", 0.0, **asked), profile, candidates(known, settings), settings, now)


def order(routing: Routing) -> list[str]:
    return [model.name for model in routing.order]


def candidate(decision: Decision, model: str) -> Candidate:
    return next(each for each in decision.candidates if each.model == model)


@pytest.mark.parametrize("name", SHIPPED)
def test_without_a_model_the_embedded_brain_answers(name: str):
    routing = pick(name, Models())
    assert ((), "") == (routing.order, routing.refusal)
    assert EMBEDDED == routing.decision.model_selected
    assert "no model is configured" in routing.decision.reasoning
    assert "chosen" == candidate(routing.decision, EMBEDDED).state


def test_every_candidate_has_its_points_and_its_reason():
    decision = pick("thane:latest", MODELS, tools=2).decision
    assert ["qwen3:4b", "tiny", "claude", EMBEDDED] == [each.model for each in decision.candidates]
    assert ["chosen", "fallback", "fallback", "passed"] == [each.state for each in decision.candidates]
    assert all(each.reason for each in decision.candidates)
    for each in decision.candidates:
        assert each.score == sum(part.points for part in each.parts)
    parts = {part.rule: part.points for part in candidate(decision, "claude").parts}
    assert {"complexity_match": 20, "cost_penalty_moderate": -24} == parts
    parts = {part.rule: part.points for part in candidate(decision, "qwen3:4b").parts}
    assert {"complexity_match": 20, "free_model_bonus": 15, "interactive_speed": 10} == parts
    assert "45 points for a moderate request" in decision.reasoning


def test_a_hard_question_goes_to_a_good_model_and_a_simple_one_to_a_quick_one():
    paid = Models(default="qwen3:4b", available=(msgspec.structs.replace(CLOUD, cost_tier=1), SMALL))
    assert "claude" == order(pick("", paid, query="explain why the heating runs so often"))[0]
    assert "qwen3:4b" == order(pick("", paid, query="turn on the lamp"))[0]


def test_the_best_model_is_for_premium_and_ops():
    for name in ("thane:premium", "thane:ops", "thane:openclaw", "thane:thinking"):
        assert "claude" == order(pick(name, MODELS))[0]
    tied = Models(default="b", available=(AvailableModel(name="a"), AvailableModel(name="b")))
    assert "b" == order(pick("thane:premium", tied))[0]  # the default wins a tie


def test_housekeeping_goes_to_the_cheapest_and_fastest_model_that_no_conversation_is_using():
    assert "tiny" == order(pick("thane:premium", MODELS, task="title_generation"))[0]
    warm = Conditions(warm=frozenset({("ollama", "tiny")}))
    routing = pick("thane:premium", MODELS, task="title_generation", now=warm)
    assert "qwen3:4b" == order(routing)[0]
    parts = {part.rule: part.points for part in candidate(routing.decision, "tiny").parts}
    assert -50 == parts["keeps_conversation_cache"]
    alone = Models(default="tiny", available=(CHEAP, CLOUD))
    assert "tiny" == order(pick("", alone, task="title_generation", now=warm))[0]  # better than to pay


def test_local_only_is_kept_even_when_only_the_embedded_brain_is_left():
    for name in ("thane:local", "thane:trigger"):
        routing = pick(name, Models(default="claude", available=(CLOUD, SMALL)))
        assert ["qwen3:4b"] == order(routing)
        assert "local" in routing.decision.reasoning
        rejected = candidate(routing.decision, "claude")
        assert ("rejected", "It is not in this house, and this request may not leave it.") == (
            *(rejected.state, rejected.reason),
        )
        routing = pick(name, Models(default="claude", available=(CLOUD,)))
        assert ([], "") == (order(routing), routing.refusal)
        assert "no local model" in routing.decision.reasoning


@given(
    st.lists(
        st.builds(
            AvailableModel,
            name=st.sampled_from(["a", "b:cloud", "c:120b-cloud", "d"]),
            provider=st.sampled_from(["ollama", "anthropic", "openai"]),
            cost_tier=st.integers(0, 2),
            quality=st.integers(0, 10),
        ),
        max_size=5,
        unique_by=lambda model: model.name,
    ),
    st.sampled_from(["", "a", "b:cloud", "d", "x:cloud"]),
    st.sampled_from(["thane:local", "thane:trigger"]),
    st.sampled_from(["", "title_generation"]),
    st.sampled_from([Conditions(), Conditions(resting={("ollama", "a"): "it failed"}, down={"ollama": "gone"})]),
)
def test_no_configuration_sends_a_local_only_turn_out_of_the_house(
    available: list[AvailableModel], default: str, name: str, task: str, now: Conditions
):
    routing = pick(name, Models(default=default, available=tuple(available)), task=task, now=now)
    tiers = {model.name: model.cost_tier for model in available}
    assert all(is_local(model.name, model.provider, Models()) and not tiers.get(model.name) for model in routing.order)


def test_a_cloud_model_of_a_local_server_is_not_local():
    assert is_local("qwen3:4b", "ollama", Models())
    assert not is_local("gpt-oss:120b-cloud", "ollama", Models())
    assert not is_local("kimi:cloud", "ollama", Models())
    assert not is_local("claude", "anthropic", Models())
    assert not is_local("qwen3:4b", "ollama", Models(ollama_url="https://ollama.example.com"))
    shed = ModelProvider(name="shed", type="openai", url="http://192.168.1.20:8000/v1")
    assert is_local("qwen3", "shed", Models(providers=(shed,)))
    assert not is_local("qwen3", "shed", Models(providers=(msgspec.structs.replace(shed, local=False),)))


@pytest.mark.parametrize(
    ("asked", "now", "why"),
    [
        ({"tools": 1}, Conditions(), "cannot call tools"),
        ({"images": True}, Conditions(), "cannot see"),
        ({"context_tokens": 5000}, Conditions(), "too small for about 5000"),
        ({}, Conditions(down={"ollama": "refused"}), "does not answer (refused)"),
        ({}, Conditions(resting={("ollama", "small"): "it failed 3 times in a row"}), "failed 3 times"),
    ],
)
def test_a_model_that_is_not_able_is_passed_over_with_the_reason(asked: dict[str, Any], now: Conditions, why: str):
    known = (
        ModelInfo("small", "ollama", 4096, supports_tools=False),
        ModelInfo("big", "lan", 32_768, supports_tools=True, supports_images=True),
    )
    models = Models(
        default="small",
        available=(AvailableModel(name="small"), AvailableModel(name="big", provider="lan", cost_tier=1)),
    )
    assert "small" == order(pick("", models, known))[0]
    routing = pick("", models, known, now=now, **asked)
    assert ["big"] == order(routing)
    assert why in candidate(routing.decision, "small").reason
    assert "rejected" == candidate(routing.decision, "small").state


def test_where_no_model_is_able_the_nearest_answers_rather_than_nobody():
    models = Models(default="a", available=(AvailableModel(name="a", supports_tools=False),))
    routing = pick("", models, tools=3)
    assert ["a"] == order(routing)
    assert "no model is able to (it cannot call tools" in routing.decision.reasoning


def test_a_request_may_wish_for_more_quality_than_its_profile() -> None:
    quick, good = AvailableModel(name="quick", quality=4, speed=9), AvailableModel(name="good", quality=6, speed=3)
    both = Models(default="quick", available=(quick, good))
    assert ["quick", "good"] == order(pick("thane:local", both))
    assert ["good", "quick"] == order(pick("thane:local", both, quality_floor=5))
    assert "claude" == order(pick("thane:premium", MODELS, quality_floor=1))[0], "the best stays the best"


def test_a_model_that_keeps_failing_is_not_asked_even_when_it_is_alone():
    now = Conditions(resting={("ollama", "a"): "it failed 3 times in a row and is tried again in 12 s"})
    routing = pick("", Models(default="a"), now=now)
    assert [] == order(routing)
    assert "No model can answer now. a: it failed 3 times in a row and is tried again in 12 s." == routing.refusal
    assert "" == routing.decision.model_selected


def test_a_spent_budget_leaves_what_costs_nothing():
    spent = "The budget of this day is used up."
    now = Conditions(spent={("anthropic", "claude"): spent})
    assert ["qwen3:4b", "tiny"] == order(pick("thane:premium", MODELS, now=now))
    routing = pick("", Models(default="claude", available=(CLOUD,)), now=now)
    assert (spent, True) == (routing.refusal, routing.stopped)
    resting = Conditions(spent=now.spent, resting={("ollama", "tiny"): "it failed 3 times in a row"})
    routing = pick("", Models(default="tiny", available=(CLOUD,)), now=resting)
    assert f"{spent} No other model can answer now. tiny: it failed 3 times in a row." == routing.refusal
    assert spent == candidate(routing.decision, "claude").reason


def test_a_profiles_own_models_come_in_its_order():
    mine = {"mine": ProfileSettings(model="claude", fallbacks=("tiny", "claude", "no-such"))}
    routing = pick("thane:mine", MODELS, profiles=mine)
    assert ["claude", "tiny"] == order(routing)
    assert "passed" == candidate(routing.decision, "qwen3:4b").state
    limited = {"mine": ProfileSettings(cost_tier_limit=2, quality_floor="best")}
    assert "claude" not in order(pick("thane:mine", MODELS, profiles=limited))
    preferred = {"mine": ProfileSettings(model_preference="tiny:latest")}
    assert "tiny" == order(pick("thane:mine", MODELS, profiles=preferred))[0]


def test_what_providers_have_may_be_chosen_where_the_configuration_names_nothing():
    known = (ModelInfo("embedded", "embedded"), ModelInfo("llama3:latest", "lan"))
    assert [("llama3:latest", "lan")] == [(m.name, m.provider) for m in candidates(known, Models())]
    assert ["qwen3"] == [m.name for m in candidates(known, Models(default="qwen3"))]


def test_what_the_provider_tells_of_a_model_counts():
    known = (ModelInfo("qwen3:latest", "lan", 40_960, supports_tools=False, supports_thinking=True),)
    (model,) = candidates(known, Models(default="qwen3"))
    assert ("qwen3:latest", "lan", 40_960, False, True) == (
        *(model.name, model.provider, model.context_tokens, model.tools, model.thinking),
    )
    said = AvailableModel(name="qwen3", provider="lan", context_window=16_384)
    assert 16_384 == candidates(known, Models(available=(said,)))[0].context_tokens  # the owner knows better


def test_a_named_model_is_taken_from_the_provider_that_has_it():
    known = (ModelInfo("embedded", "embedded"), ModelInfo("llama3:latest", "ollama", supports_tools=False))
    for name in ("Llama3", "llama3:latest"):
        model = by_name(name, known, Models())
        assert model is not None
        assert ("llama3:latest", "ollama", False) == (model.name, model.provider, model.tools)
    model = by_name("claude", known, MODELS)
    assert model is not None
    assert "anthropic" == model.provider
    assert by_name("gpt-4o", known, Models()) is None


def test_a_named_model_answers_or_nobody():
    asked = Asked("r_1", 0.0, "hi", 10)
    (model,) = candidates((), Models(default="a"))
    routing = route_named(asked, "a", model)
    assert ("a answers: the request names it.", (model,)) == (routing.decision.reasoning, routing.order)
    resting = Conditions(resting={("ollama", "a"): "it failed 3 times in a row"})
    assert "a cannot answer: it failed 3 times in a row." == route_named(asked, "a", model, resting).refusal


def test_what_the_brain_understands_it_answers_first():
    routing = understood(pick("", MODELS))
    assert BRAIN == routing.order[0]
    assert ("chosen", EMBEDDED) == (routing.decision.candidates[0].state, routing.decision.candidates[0].model)
    assert "fully understands" in routing.decision.reasoning
    assert {"fallback"} == {each.state for each in routing.decision.candidates[1:]}


def test_a_task_that_is_handed_over_does_not_come_back_to_the_model_that_handed_it() -> None:
    routing = pick("thane:delegate", MODELS, instead_of=("ollama", "qwen3:4b"))
    assert "rejected" == candidate(routing.decision, "qwen3:4b").state
    assert "tiny" == order(routing)[0]
