"""Which model answers a turn, and why, in words. Pure: the answer depends on nothing but its arguments.

A score for every model and a reason for every rejection come with the full router; this is its shape for one choice.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thane.config.settings import AvailableModel, Models
from thane.errors import ClientError
from thane.models.provider import ModelInfo
from thane.router.profiles import Profile
from thane.turn import Turn

EMBEDDED = "embedded"
"""Name of the embedded brain, as a provider and as a model."""

_LOCAL_PROVIDERS = (EMBEDDED, "ollama")
_DEFAULT_PROVIDER = "ollama"


class Choice(msgspec.Struct, frozen=True):
    """`model` is the provider's own name for it; `reason` is a sentence for a person."""

    provider: str
    model: str
    reason: str
    supports_tools: bool = True
    supports_thinking: bool = True


def choose(turn: Turn, profile: Profile | None, known: Iterable[ModelInfo], settings: Models) -> Choice:
    """Choose by explicit name (`profile` None), or by profile. `known` are the models that providers have now.

    A profile's `local_only` holds even when no local model is left but the embedded brain. Raises `ClientError` (404)
    when no provider can have the named model.
    """
    known = tuple(known)
    if profile is None:
        return _by_name(turn.model, known, settings)
    candidates = _candidates(settings)
    if profile.local_only:
        candidates = [model for model in candidates if is_local(model.name, model.provider, model.cost_tier)]
    if not candidates:
        reason = "no local model is configured" if settings.default else "no model is configured"
        return Choice(EMBEDDED, EMBEDDED, f"The embedded brain answers: {reason}.")
    default = candidates[0].name == settings.default
    if turn.caller.task:
        chosen = min(candidates, key=lambda model: (model.cost_tier, -model.speed))
        reason = f"the cheapest model, for housekeeping ({turn.caller.task})"
    elif profile.best:
        chosen = max(candidates, key=lambda model: model.quality)  # the default wins a tie: it comes first
        reason = f"the best configured model, for {profile.name}"
    else:
        chosen = candidates[0]
        reason = "the default model" if default else f"a local model, for {profile.name}"
    return _choice(chosen.name, chosen.provider, f"{chosen.name} answers: {reason}.", known, settings)


def is_local(name: str, provider: str, cost_tier: int = 0) -> bool:
    """Whether a model runs in this house. Ollama's `:cloud` models run elsewhere though a local server has them."""
    tag = name.rpartition(":")[2].lower()
    return provider in _LOCAL_PROVIDERS and cost_tier == 0 and tag != "cloud" and not tag.endswith("-cloud")


def _candidates(settings: Models) -> list[AvailableModel]:
    """The configured models, the default first. Without a default, none: the embedded brain answers."""
    if not settings.default:
        return []
    rest = [model for model in settings.available if model.name != settings.default]
    default = _configured(settings.default, settings) or AvailableModel(name=settings.default)
    return [default, *rest]


def _configured(name: str, settings: Models) -> AvailableModel | None:
    return next((model for model in settings.available if model.name == name), None)


def _by_name(name: str, known: tuple[ModelInfo, ...], settings: Models) -> Choice:
    if name.lower().removesuffix(":latest") == EMBEDDED:
        return Choice(EMBEDDED, EMBEDDED, "The embedded brain answers: the request names it.")
    if (configured := _configured(name, settings)) is not None:
        return _choice(name, configured.provider, f"{name} answers: the request names it.", known, settings)
    for info in known:
        if info.name.lower() in (name.lower(), f"{name.lower()}:latest"):
            return _choice(info.name, info.provider, f"{info.name} answers: the request names it.", known, settings)
    if settings.default or any(info.provider == _DEFAULT_PROVIDER for info in known):
        reason = f"{name} was asked for by name, and is not among the models that are known."
        return Choice(_DEFAULT_PROVIDER, name, reason)
    raise ClientError(f"model '{name}' not found", status=404, code="model_not_found")


def _choice(name: str, provider: str, reason: str, known: tuple[ModelInfo, ...], settings: Models) -> Choice:
    configured = _configured(name, settings)
    info = next((each for each in known if each.name == name and each.provider == provider), None)
    return Choice(
        provider,
        name,
        reason,
        supports_tools=(configured is None or configured.supports_tools is not False)
        and (info is None or info.supports_tools),
        supports_thinking=info is None or info.supports_thinking,
    )
