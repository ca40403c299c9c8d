"""Gathers what the router must know of a turn and of this moment, and asks it; what it decides is pure.

Here too is what outlives a turn: which models were failing (`Circuits`), and which hold a conversation in their cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog
import trio

from thane.agent.client_tools import Offer
from thane.agent.context import RunContext
from thane.agent.model_step import prompt_tokens
from thane.config.servers import default_provider
from thane.config.settings import Settings
from thane.errors import ClientError
from thane.models.catalogue import Catalogue
from thane.models.provider import ModelInfo
from thane.router.circuit import Circuits, Key
from thane.router.models import EMBEDDED, Model, by_name, candidates, is_local, is_named
from thane.router.profiles import Profile, Profiles
from thane.router.route import Conditions, Routing, route, route_named
from thane.router.score import Asked
from thane.turn import Turn

_log = structlog.get_logger("thane.agent")


class Budget(Protocol):
    """What `thane.ledger.spending.Spending` is to the agent. Sentences are for the one who asked; "" means go on."""

    def stop(self, run_id: str, profile: str, provider: str, model: str) -> str:
        """Why this model must not be called for this run. Published as an event."""
        ...

    def refusals(self, run_id: str, profile: str, models: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """Which of the models, as (provider, model), must not be called: for choosing one. Nothing is published."""
        ...


class NoBudget:
    """For tests, and where nothing limits what is spent."""

    def stop(self, run_id: str, profile: str, provider: str, model: str) -> str:  # noqa: ARG002 the names are the protocol's
        return ""

    def refusals(
        self,
        run_id: str,  # noqa: ARG002 the names are the protocol's
        profile: str,  # noqa: ARG002
        models: Iterable[tuple[str, str]],  # noqa: ARG002
    ) -> Mapping[tuple[str, str], str]:
        return {}


class Routes:
    """Routes turns. `down` tells the providers that do not answer, each with what is wrong."""

    def __init__(
        self,
        settings: Settings,
        *,
        catalogue: Catalogue,
        profiles: Profiles,
        circuits: Circuits,
        down: Callable[[], Mapping[str, str]] = dict,
        budget: Budget | None = None,
    ) -> None:
        self.circuits = circuits
        self.profiles = profiles
        self._settings = settings
        self._catalogue = catalogue
        self._down = down
        self.budget = budget or NoBudget()
        self._used: dict[Key, float] = {}
        self._told_former: set[str] = set()
        self._known: tuple[ModelInfo, ...] | None = None
        self._candidates: tuple[Model, ...] = ()

    def route(self, turn: Turn, profile: Profile | None, offer: Offer, context: RunContext, *, at: float) -> Routing:
        """Decide who answers a turn. `at` is epoch seconds.

        Raises ClientError (404) for the name of a model that nobody has.
        """
        asked = Asked(
            run_id=context.run_id,
            at=at,
            query=_said(turn),
            context_tokens=prompt_tokens(turn.messages, offer.tools) + (turn.options.max_tokens or 0),
            tools=len(offer.tools),
            images=any(message.images for message in turn.messages),
            task=turn.caller.task,
            channel=turn.caller.channel,
            language=context.language,
            local_only=context.local_only,
            quality_floor=turn.quality_floor,
            instead_of=context.instead_of,
        )
        if profile is None:
            named = self._named(turn.model)
            return route_named(asked, turn.model, named, self._conditions((named,), context.run_id, turn.model))
        if profile.deprecated and profile.name not in self._told_former:
            self._told_former.add(profile.name)
            _log.warning("a client asks for a former name of a profile", name=profile.name, now=profile.deprecated)
        models = self._candidates_of(profile)
        return route(
            asked, profile, models, self._settings.models, self._conditions(models, context.run_id, profile.name)
        )

    def candidates(self) -> tuple[Model, ...]:
        """The models that may be chosen. Made anew only when providers have told something new: each turn asks."""
        known = self._catalogue.known()
        if known != self._known:
            self._known, self._candidates = (
                known,
                candidates(known, self._settings.models, default_provider(self._settings)),
            )
        return self._candidates

    def _candidates_of(self, profile: Profile) -> tuple[Model, ...]:
        """The models for a profile: all candidates, and those that it names besides, wherever they are."""
        models, known = self.candidates(), self._catalogue.known()
        for name in (profile.model, *profile.fallbacks):
            if name and not any(is_named(model.name, name) for model in models):
                more = by_name(name, known, self._settings.models)
                models = (*models, more) if more is not None else models
        return models

    def used(self, model: Model) -> None:
        """A conversation's turn was answered: the model keeps its prompt for a while."""
        self._used[model.provider, model.name] = trio.current_time()

    def _named(self, name: str) -> Model:
        known, settings = self._catalogue.known(), self._settings.models
        model = by_name(name, known, settings)
        if model is not None:
            return model
        provider = default_provider(self._settings)
        if settings.default or any(info.provider == provider for info in known):
            return Model(
                name, provider, local=is_local(name, provider, settings)
            )  # the model server may well have it; if not, it says so
        raise ClientError(f"model '{name}' not found", status=404, code="model_not_found")

    def _conditions(self, models: tuple[Model, ...], run_id: str, profile: str) -> Conditions:
        keys = [(model.provider, model.name) for model in models]
        missing = {
            model.provider: "it is not configured" for model in models if self._catalogue.get(model.provider) is None
        }
        since = trio.current_time() - self._settings.routing.cache_warm_seconds
        return Conditions(
            down={**self._down(), **missing},
            resting={key: why for key in keys if (why := self.circuits.refusal(key))},
            spent=self.budget.refusals(run_id, profile, keys),
            warm=frozenset(key for key, at in self._used.items() if at >= since and key[0] != EMBEDDED),
        )


def _said(turn: Turn) -> str:
    """What the user said last."""
    return next((message.content for message in reversed(turn.messages) if message.role == "user"), "")
