from __future__ import annotations

import trio
import trio.testing

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
    catalogue = Catalogue([one, two], refresh_seconds=60)
    assert [] == names(catalogue)
    await catalogue.refresh()
    assert ["embedded", "qwen3:4b"] == names(catalogue)
    assert two is catalogue.get("ollama")
    assert catalogue.get("other") is None
    assert (one, two) == catalogue.providers()
    assert (two,) == catalogue.remote()


async def test_a_provider_that_is_down_keeps_what_it_had(autojump_clock: trio.testing.MockClock):
    provider = Moody(say("a"), models=("one",))
    catalogue = Catalogue([provider], refresh_seconds=60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(catalogue.watch)
        await trio.sleep(1)
        assert ["one"] == names(catalogue)
        provider.down = True
        await trio.sleep(60)
        assert ["one"] == names(catalogue)
        provider.down, provider.has = False, ("two",)
        await trio.sleep(60)
        assert ["two"] == names(catalogue)
        nursery.cancel_scope.cancel()
