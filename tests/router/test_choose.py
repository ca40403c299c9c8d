from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.config.settings import AvailableModel, Models
from thane.errors import ClientError
from thane.models.provider import ModelInfo
from thane.router.choose import EMBEDDED, Choice, choose, is_local
from thane.router.profiles import PROFILES, find_profile
from thane.turn import Caller, Message, Turn

SMALL = AvailableModel(name="qwen3:4b", quality=3, speed=8)
CLOUD = AvailableModel(name="claude", provider="anthropic", quality=9, cost_tier=3, supports_tools=False)
CHEAP = AvailableModel(name="tiny", quality=1, speed=10)
MODELS = Models(default="qwen3:4b", available=(CLOUD, SMALL, CHEAP))


def pick(name: str, settings: Models, known: tuple[ModelInfo, ...] = (), task: str = "") -> Choice:
    turn = Turn((Message("user", "hi"),), model=name, caller=Caller(task=task))
    return choose(turn, find_profile(name), known, settings)


@pytest.mark.parametrize("name", [profile.name for profile in PROFILES])
def test_without_a_model_the_embedded_brain_answers(name: str):
    choice = pick(name, Models())
    assert (EMBEDDED, EMBEDDED) == (choice.provider, choice.model)
    assert "no model is configured" in choice.reason


def test_the_default_model_answers_at_its_provider():
    assert ("ollama", "qwen3:4b") == (pick("", MODELS).provider, pick("", MODELS).model)
    choice = pick("thane", Models(default="claude", available=(CLOUD,)))
    assert ("anthropic", "claude", False) == (choice.provider, choice.model, choice.supports_tools)
    assert "ollama" == pick("", Models(default="not-listed")).provider


def test_the_best_model_is_for_premium_and_ops():
    for name in ("thane:premium", "thane:ops", "thane:openclaw", "thane:thinking"):
        assert "claude" == pick(name, MODELS).model
    tied = Models(default="b", available=(AvailableModel(name="a"), AvailableModel(name="b")))
    assert "b" == pick("thane:premium", tied).model


def test_housekeeping_goes_to_the_cheapest_and_fastest_model():
    assert "tiny" == pick("thane:premium", MODELS, task="title_generation").model


def test_local_only_is_kept_even_when_only_the_embedded_brain_is_left():
    for name in ("thane:local", "thane:trigger"):
        choice = pick(name, Models(default="claude", available=(CLOUD, SMALL)))
        assert ("ollama", "qwen3:4b") == (choice.provider, choice.model)
        assert "local" in choice.reason
        choice = pick(name, Models(default="claude", available=(CLOUD,)))
        assert EMBEDDED == choice.provider
        assert "no local model" in choice.reason


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
)
def test_no_configuration_sends_a_local_only_turn_out_of_the_house(
    available: list[AvailableModel], default: str, name: str, task: str
):
    choice = pick(name, Models(default=default, available=tuple(available)), task=task)
    tier = next((model.cost_tier for model in available if model.name == choice.model), 0)
    assert is_local(choice.model, choice.provider, tier)


def test_a_cloud_model_of_a_local_server_is_not_local():
    assert is_local("qwen3:4b", "ollama")
    assert not is_local("gpt-oss:120b-cloud", "ollama")
    assert not is_local("kimi:cloud", "ollama")
    assert not is_local("claude", "anthropic")


def test_a_named_model_is_taken_from_the_provider_that_has_it():
    known = (ModelInfo("embedded", "embedded"), ModelInfo("llama3:latest", "ollama", supports_tools=False))
    assert Choice("ollama", "llama3:latest", "llama3:latest answers: the request names it.", False, False) == pick(
        "Llama3", Models(), known
    )
    assert "anthropic" == pick("claude", MODELS, known).provider
    assert EMBEDDED == pick("embedded", MODELS, known).provider


def test_an_unknown_model_is_left_to_the_model_server_where_there_is_one():
    assert ("ollama", "new:7b") == (pick("new:7b", MODELS).provider, pick("new:7b", MODELS).model)
    with pytest.raises(ClientError) as caught:
        pick("gpt-4o", Models(), (ModelInfo("embedded", "embedded"),))
    assert ("model 'gpt-4o' not found", 404) == (caught.value.message, caught.value.status)


def test_what_the_catalogue_knows_of_a_model_counts():
    known = (ModelInfo("qwen3:4b", "ollama", supports_tools=False, supports_thinking=True),)
    choice = pick("", MODELS, known)
    assert (False, True) == (choice.supports_tools, choice.supports_thinking)
