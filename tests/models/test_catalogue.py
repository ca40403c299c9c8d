from __future__ import annotations

import pytest

from thane.config.settings import AvailableModel, ModelProvider, Models, Settings
from thane.models.catalogue import Catalogue, merge
from thane.models.provider import ModelError, ModelInfo
from thane.testing.scripted_model import ScriptedModel, say


class Moody(ScriptedModel):
    """A provider that can be down."""

    down = False

    async def models(self) -> tuple[ModelInfo, ...]:
        if self.down:
            raise ModelError("down", dependency=self.name)
        return await super().models()


def names(catalogue: Catalogue) -> list[str]:
    return [info.name for info in catalogue.known()]


async def test_providers_and_their_models_are_found_by_name():
    one, two = ScriptedModel(say("a"), name="embedded", models=("embedded",)), ScriptedModel(say("b"))
    catalogue = Catalogue([one, two])
    assert [] == names(catalogue)
    await catalogue.ask(two)
    await catalogue.ask(one)
    assert ["embedded", "qwen3:4b"] == names(catalogue)
    assert two is catalogue.get("ollama")
    assert catalogue.get("other") is None
    assert (one, two) == catalogue.providers()
    assert (two,) == catalogue.remote()


async def test_a_provider_that_is_down_says_so_and_keeps_what_it_had():
    provider = Moody(say("a"), models=("one",))
    catalogue = Catalogue([provider])
    await catalogue.ask(provider)
    provider.down = True
    with pytest.raises(ModelError, match="down"):
        await catalogue.ask(provider)
    assert ["one"] == names(catalogue)
    provider.down, provider.has = False, ("two",)
    await catalogue.ask(provider)
    assert ["two"] == names(catalogue)


def test_what_the_owner_wrote_of_a_model_wins_over_what_its_server_tells():
    told = (
        ModelInfo("llama3:latest", "ollama", 131_072, supports_tools=True, aliases=("llama3",)),
        ModelInfo("plain", "ollama", 4096, supports_tools=False),
    )
    written = (
        AvailableModel(name="llama3", context_window=16_384, supports_tools=False),
        AvailableModel(name="Plain", supports_tools=True),
        AvailableModel(name="unknown", context_window=2048),
        AvailableModel(name="glm-4.6:cloud"),
    )
    assert (
        ModelInfo("llama3:latest", "ollama", 16_384, supports_tools=False, aliases=("llama3",)),
        ModelInfo("plain", "ollama", 4096, supports_tools=True, aliases=("Plain",)),
        ModelInfo("unknown", "ollama", 2048),
        ModelInfo("glm-4.6:cloud", "ollama", local=False),
    ) == merge(told, written, local=True)


def test_a_model_that_only_the_owner_knows_is_where_its_server_is():
    away = ModelProvider(name="away", type="openai", url="https://api.example.com/v1")
    settings = Settings(models=Models(available=(AvailableModel(name="big", provider="away"),), providers=(away,)))
    catalogue = Catalogue([ScriptedModel(say("a"), name="away")], settings)
    assert (ModelInfo("big", "away", local=False),) == catalogue.known()
