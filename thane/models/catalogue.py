"""The providers, and the models that they have: asked now and then, told at once."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
import trio

from thane.models.provider import ModelError, ModelInfo, Provider

_log = structlog.get_logger("thane.models")


class Catalogue:
    """Providers by name, and what they had when they were last asked.

    A provider that cannot be asked keeps its last answer: what it had may well be there again in a moment.
    """

    def __init__(self, providers: Iterable[Provider], *, refresh_seconds: float) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._refresh_seconds = refresh_seconds
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

    async def refresh(self) -> None:
        """Ask every provider, all at once."""
        async with trio.open_nursery() as nursery:
            for provider in self._providers.values():
                nursery.start_soon(self._ask, provider)

    async def watch(self) -> None:
        """Refresh for ever. A branch of the task tree."""
        while True:
            await self.refresh()
            await trio.sleep(self._refresh_seconds)

    async def _ask(self, provider: Provider) -> None:
        try:
            self._models[provider.name] = await provider.models()
        except ModelError as error:
            _log.debug("the models of a provider are not known", provider=provider.name, error=error.message)
