"""What the router knows of each model: what the owner says of it, together with what its provider tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from thane.config.providers import is_private
from thane.config.settings import AvailableModel, Models
from thane.models.provider import ModelInfo
from thane.router.classify import Complexity

EMBEDDED = "embedded"
"""Name of the embedded brain, as a provider and as a model."""

_OLLAMA = "ollama"
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


def is_local(name: str, provider: str, settings: Models) -> bool:
    """Whether a model runs in this house. Ollama's `:cloud` models run elsewhere though a local server has them."""
    tag = name.rpartition(":")[2].lower()
    if tag == "cloud" or tag.endswith("-cloud"):
        return False
    configured = next((each for each in settings.providers if each.name == provider), None)
    if configured is not None and (configured.url or configured.local is not None or provider != _OLLAMA):
        return configured.is_local
    return provider == EMBEDDED or (provider == _OLLAMA and is_private(settings.ollama_url))


def candidates(known: Iterable[ModelInfo], settings: Models, unknown_at: str = _OLLAMA) -> tuple[Model, ...]:
    """The models that Thane may choose by itself, the default first: those that the configuration names.

    Where it names none, they are all that the providers have: a model server alone is enough to think with.
    `unknown_at` is the provider that is asked for the default where none has told that it has it.
    """
    known = tuple(info for info in known if info.provider != EMBEDDED)
    named = list(settings.available)
    if settings.default:
        found = next((model for model in named if is_named(model.name, settings.default)), None)
        if found is None:
            info = _info(settings.default, "", known)
            found = AvailableModel(name=settings.default, provider=info.provider if info else unknown_at)
        named = [found, *(model for model in named if model is not found)]
    if not named:
        return tuple(_model(AvailableModel(name=info.name, provider=info.provider), info, settings) for info in known)
    return tuple(_model(model, _info(model.name, model.provider, known), settings) for model in named)


def by_name(name: str, known: Iterable[ModelInfo], settings: Models) -> Model | None:
    """The model that a request or a profile names, configured or not; None when nobody has it."""
    known = tuple(known)
    configured = next((model for model in settings.available if is_named(model.name, name)), None)
    info = _info(configured.name if configured else name, configured.provider if configured else "", known)
    if configured is None and info is None:
        return None
    if configured is None and info is not None:
        configured = AvailableModel(name=info.name, provider=info.provider, cost_tier=0 if info.local else 1)
    assert configured is not None  # noqa: S101 one of the two is there
    return _model(configured, info, settings)


def _info(name: str, provider: str, known: Iterable[ModelInfo]) -> ModelInfo | None:
    """What a provider tells of a model; an exact name before one that differs in `:latest`."""
    found = [
        info
        for info in known
        if provider in ("", info.provider) and any(is_named(each, name) for each in (info.name, *info.aliases))
    ]
    return min(found, key=lambda info: info.name.lower() != name.strip().lower(), default=None)


def _model(said: AvailableModel, info: ModelInfo | None, settings: Models) -> Model:
    told = info or ModelInfo(said.name, said.provider, supports_thinking=True)
    return Model(
        name=told.name,
        provider=said.provider,
        local=told.local and said.cost_tier == 0 and is_local(said.name, said.provider, settings),
        context_tokens=said.context_window or told.context_tokens,
        tools=told.supports_tools if said.supports_tools is None else said.supports_tools,
        thinking=told.supports_thinking,
        images=None if info is None else info.supports_images,
        speed=said.speed,
        quality=said.quality,
        cost_tier=said.cost_tier,
        min_complexity=said.min_complexity,
        default=bool(settings.default) and is_named(said.name, settings.default),
    )
