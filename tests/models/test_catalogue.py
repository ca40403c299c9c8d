from __future__ import annotations

import pytest

from thane.models.catalogue import Catalogue
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
