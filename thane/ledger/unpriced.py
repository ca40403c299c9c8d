"""Models whose price nobody knows, where a budget of money stands: it cannot count them, so a rule says what is to be.

Pure. Models in this house cost nothing without a price (`thane.ledger.pricing`), and are never meant here.
"""

from __future__ import annotations

from collections.abc import Iterator

from thane.config.money import Budget, Budgets
from thane.config.servers import default_provider
from thane.config.settings import Settings
from thane.ledger.pricing import PriceList


def limits_money(*budgets: Budget) -> bool:
    """Whether one of them stops at an amount of money."""
    return any(budget.stop_usd for budget in budgets)


def watches_money(*budgets: Budget) -> bool:
    """Whether one of them warns of, or stops at, an amount of money."""
    return any(budget.stop_usd or budget.warn_usd for budget in budgets)


def sentence(model: str) -> str:
    """Why a model is not asked, for the one who asked and for the owner who reads the decision."""
    return (
        f"{model} has no price, and a money budget stands. Give it one under `pricing`, or set `budgets.unpriced` to "
        "`warn`."
    )


def unpriced_models(settings: Settings, prices: PriceList) -> tuple[str, ...]:
    """Models that the configuration names and that have no price, each once; none without a budget of money."""
    if not watches_money(*_all(settings.budgets)):
        return ()
    return tuple(dict.fromkeys(name for provider, name in _named(settings) if prices.price(provider, name) is None))


def unpriced_warning(settings: Settings, prices: PriceList) -> str:
    """What the owner is told of them; "" where there are none."""
    names = unpriced_models(settings, prices)
    if not names:
        return ""
    asked = settings.budgets.unpriced == "warn" or not limits_money(*_all(settings.budgets))
    then = "they are asked, and no budget of money counts them" if asked else "they are not asked (budgets.unpriced)"
    return f"a budget of money stands, and {', '.join(names)} have no price under pricing: {then}"


def _all(budgets: Budgets) -> tuple[Budget, ...]:
    return budgets.day, budgets.run, *budgets.profiles.values(), *budgets.profile_days.values()


def _named(settings: Settings) -> Iterator[tuple[str, str]]:
    """(Provider, model) of each that the configuration names."""
    models = settings.models
    known = {model.name.lower(): model.provider for model in models.available}
    yield from ((model.provider, model.name) for model in models.available)
    others = [models.default, settings.archive.metadata_model]
    for profile in settings.profiles.values():
        others += [profile.model or "", profile.model_preference or "", *(profile.fallbacks or ())]
    for name in filter(None, others):
        yield known.get(name.lower(), default_provider(settings)), name
