"""The providers, and the models that they have: asked whenever their health is, told at once.

What a provider tells of a model is completed by what the owner wrote of it in `models.available`, which wins.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thane.config.servers import model_servers
from thane.config.settings import AvailableModel, Settings
from thane.models.names import runs_elsewhere
from thane.models.provider import Counting, ModelInfo, Provider

_DEFAULTS = Settings()


class CatalogueStatistics(msgspec.Struct, frozen=True):
    """`models` counts those that are known, of all providers; `local` those of them that run in this house."""

    providers: int
    models: int
    local: int


class Catalogue:
    """Providers by name, and what they had when they were last asked.

    A provider that cannot be asked keeps its last answer: what it had may well be there again in a moment.
    """

    def __init__(self, providers: Iterable[Provider], settings: Settings = _DEFAULTS) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._told: dict[str, tuple[ModelInfo, ...]] = dict.fromkeys(self._providers, ())
        self._available = settings.models.available
        self._local = {server.name: server.is_local for server in model_servers(settings)}
        self._known = self._merged()

    def get(self, name: str) -> Provider | None:
        return self._providers.get(name)

    def providers(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())

    def remote(self) -> tuple[Provider, ...]:
        """The providers that may fail to answer: all but the embedded brain."""
        return tuple(provider for name, provider in self._providers.items() if name != "embedded")

    def known(self) -> tuple[ModelInfo, ...]:
        """Every model, the providers in their order: what they have, then what only the owner says. Never blocks."""
        return self._known

    def context_of(self, model: str) -> int:
        """How many tokens a model of this name can take; 0 where that is not known."""
        return next((info.context_tokens for info in self.known() if info.name == model), 0)

    def statistics(self) -> CatalogueStatistics:
        known = self.known()
        return CatalogueStatistics(len(self._providers), len(known), sum(info.local for info in known))

    def provider_statistics(self) -> dict[str, object]:
        """The counters of each provider that has some, by its name."""
        return {name: each.statistics() for name, each in self._providers.items() if isinstance(each, Counting)}

    async def ask(self, provider: Provider) -> None:
        """Ask one of the providers what it has now. Raises ModelError when it cannot be asked."""
        self._told[provider.name] = await provider.models()
        self._known = self._merged()

    def _merged(self) -> tuple[ModelInfo, ...]:
        return tuple(
            info for name, told in self._told.items() for info in merge(told, self._written(name), self._is_local(name))
        )

    def _written(self, provider: str) -> tuple[AvailableModel, ...]:
        return tuple(model for model in self._available if model.provider == provider)

    def _is_local(self, provider: str) -> bool:
        return self._local.get(provider, True)


def merge(told: Iterable[ModelInfo], written: Iterable[AvailableModel], local: bool) -> tuple[ModelInfo, ...]:
    """One provider's models: as it tells of them, with what the owner wrote, and the models that only the owner knows.

    `local` is whether the provider runs in this house, for the latter.
    """
    found = {info.name: info for info in told}
    for model in written:
        name = model.name if model.name in found else _named(model.name, found.values())
        info = found.get(name) or ModelInfo(model.name, model.provider, local=local and not runs_elsewhere(model.name))
        aliases = info.aliases
        if model.name not in (info.name, *aliases):
            aliases = (*aliases, model.name)
        found[info.name] = msgspec.structs.replace(
            info,
            context_tokens=model.context_window or info.context_tokens,
            supports_tools=info.supports_tools if model.supports_tools is None else model.supports_tools,
            aliases=aliases,
        )
    return tuple(found.values())


def _named(name: str, models: Iterable[ModelInfo]) -> str:
    """The provider's own name of a model that the owner calls otherwise: an alias, or in other case."""
    for info in models:
        if name.lower() in (info.name.lower(), *(alias.lower() for alias in info.aliases)):
            return info.name
    return name
