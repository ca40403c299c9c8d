"""What the router knows of each model: what the owner says of it, together with what its provider tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thane.config.settings import AvailableModel, Models
from thane.models.provider import ModelInfo
from thane.router.classify import Complexity

EMBEDDED = "embedded"
"""Name of the embedded brain, as a provider and as a model."""

_LOCAL_PROVIDERS = (EMBEDDED, "ollama")
_ANY = AvailableModel(name="")
_LATEST = ":latest"


class Model(msgspec.Struct, frozen=True):
    """A model that may be chosen. `name` is the provider's own; `images` is None where nobody has told.

    `context_tokens` is 0 where it is not known; `local` says that what it is told stays in this house.
    """

    name: str
    provider: str
    local: bool = True
    context_tokens: int = 0
    tools: bool = True
    thinking: bool = True
    images: bool | None = None
    speed: int = 5
    quality: int = 5
    cost_tier: int = 0
    min_complexity: Complexity = "simple"
    default: bool = False


def is_named(name: str, wanted: str) -> bool:
    """Whether `wanted` means the model `name`: in any case, with or without `:latest`."""
    return name.lower().removesuffix(_LATEST) == wanted.strip().lower().removesuffix(_LATEST)


def is_local(name: str, provider: str, cost_tier: int = 0) -> bool:
    """Whether a model runs in this house. Ollama's `:cloud` models run elsewhere though a local server has them."""
    tag = name.rpartition(":")[2].lower()
    return provider in _LOCAL_PROVIDERS and cost_tier == 0 and tag != "cloud" and not tag.endswith("-cloud")


def candidates(known: Iterable[ModelInfo], settings: Models) -> tuple[Model, ...]:
    """The models that Thane may choose by itself, the default first: those that the configuration names.

    Where it names none, they are all that the providers have: a model server alone is enough to think with.
    """
    known = tuple(info for info in known if info.provider != EMBEDDED)
    named = list(settings.available)
    if settings.default:
        found = next((model for model in named if is_named(model.name, settings.default)), None)
        if found is None:
            info = _info(settings.default, "", known)
            found = AvailableModel(name=settings.default, provider=info.provider if info else _ANY.provider)
        named = [found, *(model for model in named if model is not found)]
    if not named:
        return tuple(_model(AvailableModel(name=info.name, provider=info.provider), info, False) for info in known)
    return tuple(
        _model(model, _info(model.name, model.provider, known), is_named(model.name, settings.default or "\0"))
        for model in named
    )


def by_name(name: str, known: Iterable[ModelInfo], settings: Models) -> Model | None:
    """The model that a request names, configured or not; None when nobody has it."""
    known = tuple(known)
    configured = next((model for model in settings.available if is_named(model.name, name)), None)
    info = _info(configured.name if configured else name, configured.provider if configured else "", known)
    if configured is None and info is None:
        return None
    if configured is None and info is not None:
        configured = AvailableModel(name=info.name, provider=info.provider)
    assert configured is not None  # noqa: S101 one of the two is there
    return _model(configured, info, is_named(name, settings.default or "\0"))


def _info(name: str, provider: str, known: Iterable[ModelInfo]) -> ModelInfo | None:
    """What a provider tells of a model; an exact name before one that differs in `:latest`."""
    found = [info for info in known if provider in ("", info.provider) and is_named(info.name, name)]
    return min(found, key=lambda info: info.name.lower() != name.strip().lower(), default=None)


def _model(said: AvailableModel, info: ModelInfo | None, default: bool) -> Model:
    window = said.context_window
    if window == _ANY.context_window and info is not None:
        window = info.context_tokens  # the owner has said nothing of it: the provider knows better
    return Model(
        name=info.name if info else said.name,
        provider=said.provider,
        local=is_local(said.name, said.provider, said.cost_tier),
        context_tokens=window,
        tools=said.supports_tools and (info is None or info.supports_tools),
        thinking=info is None or info.supports_thinking,
        images=None if info is None else info.supports_images,
        speed=said.speed,
        quality=said.quality,
        cost_tier=said.cost_tier,
        min_complexity=said.min_complexity,
        default=default,
    )
