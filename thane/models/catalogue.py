"""The providers, and the models that they have: asked whenever their health is, told at once."""

from __future__ import annotations

from collections.abc import Iterable

from thane.models.provider import ModelInfo, Provider


class Catalogue:
    """Providers by name, and what they had when they were last asked.

    A provider that cannot be asked keeps its last answer: what it had may well be there again in a moment.
    """

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._models: dict[str, tuple[ModelInfo, ...]] = dict.fromkeys(self._providers, ())

    def get(self, name: str) -> Provider | None:
        return self._providers.get(name)

    def providers(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())

    def remote(self) -> tuple[Provider, ...]:
        """The providers that may fail to answer: all but the embedded brain."""
        return tuple(provider for name, provider in self._providers.items() if name != "embedded")

    def known(self) -> tuple[ModelInfo, ...]:
        """Every model, the providers in their order. Never blocks."""
        return tuple(info for models in self._models.values() for info in models)

    async def ask(self, provider: Provider) -> None:
        """Ask one of the providers what it has now. Raises ModelError when it cannot be asked."""
        self._models[provider.name] = await provider.models()
