"""Which models Thane offers: its profiles, and the models that its providers have or that are configured.

Not here: which model answers (`thane.router`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from thane.agent.client_tools import offer_tools
from thane.config.servers import CARRIED_MODEL, PACKAGE, default_provider
from thane.errors import ClientError
from thane.http.rooms import Rooms
from thane.models.provider import ModelInfo
from thane.router.profiles import Profile
from thane.turn import Turn

type Capability = Literal["completion", "tools", "thinking", "vision", "embedding"]


class Offer(msgspec.Struct, frozen=True):
    """A model name that clients may ask for. `context_tokens` is 0 where it is not known.

    `told`: its capabilities are all that it has, for its server names them.
    """

    name: str
    owner: str  # `thane` for a profile, otherwise the provider
    description: str = ""
    context_tokens: int = 0
    capabilities: tuple[Capability, ...] = ("completion", "tools")
    told: bool = False


def offers(rooms: Rooms) -> tuple[Offer, ...]:
    """Everything on offer, the profiles first. Former names of profiles are known, but not offered."""
    models = _models(rooms)
    profiles = [_profile(profile, models, rooms) for profile in rooms.profiles.listed()]
    return (*profiles, *models.values())


def find(rooms: Rooms, name: str) -> Offer | None:
    """What a request's model name means, as the client may write it: in any case, with or without `:latest`."""
    models, key = _models(rooms), name.strip().lower()
    profile = rooms.profiles.find(name)
    if profile is not None:
        return _profile(profile, models, rooms)
    found = models.get(key) or models.get(f"{key}:latest") or models.get(key.removesuffix(":latest"))
    if found is None and _model_server_is_silent(rooms):
        return Offer(name, "ollama")  # it may well have it; if not, the run says so
    return found


def check(rooms: Rooms, name: str) -> Offer:
    """Like `find`; raises ClientError (404) for a name that nobody knows."""
    offer = find(rooms, name)
    if offer is None:
        raise ClientError(f"model '{name}' not found", status=404, code="model_not_found")
    return offer


def check_turn(rooms: Rooms, turn: Turn) -> None:
    """Refuse what nobody can answer. Raises ClientError: 404 for a name that nobody knows, 400 for what it cannot.

    A profile takes everything that one of its models may be able to do: which one answers, and what that is asked
    for, is chosen later.
    """
    offer = check(rooms, turn.model)
    shows = bool(turn.messages and turn.messages[-1].images)
    if offer.owner == "thane":
        if shows and _is_blind(rooms, turn):
            raise ClientError(
                f'"{turn.model}" does not support images: no model that it may choose can see',
                code="unsupported",
                spoken="None of the models that may answer here can look at images.",
            )
        return
    if "tools" not in offer.capabilities and "completion" in offer.capabilities and _insists_on_tools(rooms, turn):
        raise ClientError(
            f"{_full_name(turn.model)} does not support tools",
            code="unsupported",
            spoken=f"The model {turn.model} cannot call tools, so it cannot do what you ask of it here. Choose a model "
            "that can, or one of Thane's own names, which find one.",
        )
    if not offer.told:
        return
    if "completion" not in offer.capabilities:
        raise ClientError(f'"{turn.model}" does not support chat', code="unsupported")
    if turn.options.think and "thinking" not in offer.capabilities:
        raise ClientError(f'"{turn.model}" does not support thinking', code="unsupported")
    if "vision" not in offer.capabilities and shows:
        raise ClientError(
            f'"{turn.model}" does not support images',
            code="unsupported",
            spoken=f"The model {turn.model} cannot look at images.",
        )


def _is_blind(rooms: Rooms, turn: Turn) -> bool:
    """Whether every model that a profile may choose is known not to see."""
    profile = rooms.profiles.find(turn.model)
    local_only = profile is not None and profile.local_only
    models = [each for each in rooms.candidates() if each.local or not local_only]
    return bool(models) and all(each.images is False for each in models)


def _insists_on_tools(rooms: Rooms, turn: Turn) -> bool:
    """Whether a model would be offered tools of the client, which counts on them.

    Open WebUI brings its own on every turn, whichever model is chosen, and takes an answer without a call of them.
    """
    linked = rooms.home is not None and rooms.home.name == "homeassistant"
    if not offer_tools(turn, (), rooms.settings.agent.client_tools, linked=linked).client:
        return False
    return turn.caller.channel != "owu" or turn.tool_choice != "auto"


def _full_name(name: str) -> str:
    """A model's name as Ollama writes it in this error, which some clients know by its words."""
    name = name.strip()
    whole = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return whole if "/" in whole else f"registry.ollama.ai/library/{whole}"


def _model_server_is_silent(rooms: Rooms) -> bool:
    """Whether a model server is configured whose models are not known, for it has not answered since the start."""
    configured = rooms.settings.models
    return bool(configured.default or configured.available) and all(
        info.provider == "embedded" for info in rooms.models()
    )


def _profile(profile: Profile, models: dict[str, Offer], rooms: Rooms) -> Offer:
    """A profile can do what the default model can."""
    base = models.get(rooms.settings.models.default.lower()) or Offer("", "thane")
    return msgspec.structs.replace(base, name=profile.name, owner="thane", description=profile.description)


def _models(rooms: Rooms) -> dict[str, Offer]:
    """Models by lower-case name: those that providers have now, then those that are only configured."""
    configured = rooms.settings.models
    found = {info.name.lower(): _offer(info) for info in rooms.models()}
    for model in configured.available:
        capabilities: tuple[Capability, ...] = ("completion", "tools")
        if model.supports_tools is False:
            capabilities = ("completion",)
        offer = Offer(model.name, model.provider, context_tokens=model.context_window or 0, capabilities=capabilities)
        found.setdefault(model.name.lower(), offer)
    if rooms.settings.embeddings.provider == PACKAGE:
        found.setdefault(CARRIED_MODEL, Offer(CARRIED_MODEL, "embedded", capabilities=("embedding",), told=True))
    if configured.default:
        found.setdefault(configured.default.lower(), Offer(configured.default, default_provider(rooms.settings)))
    return found


def _offer(info: ModelInfo) -> Offer:
    optional: tuple[tuple[Capability, bool], ...] = (
        ("tools", info.supports_tools),
        ("thinking", info.supports_thinking),
        ("vision", info.supports_images),
    )
    told = info.capabilities
    capabilities: tuple[Capability, ...] = ("completion", *(name for name, there in optional if there))
    if told is not None and "embedding" in told:
        capabilities = ("embedding",) if "completion" not in told else (*capabilities, "embedding")
    return Offer(
        info.name,
        info.provider,
        context_tokens=info.context_tokens,
        capabilities=capabilities,
        told=told is not None,
    )
