"""Which of Thane's own tools a model is offered, as far as handing work to a smaller model goes. Pure.

A strong model may be offered `thane_delegate` beside the other tools, or (`agent.delegation_required`) in place of the
tool-heavy ones: then it has `agent.orchestrator_tools` only. Where there is no other model to hand anything to, it
keeps every other tool and is not offered that one.
"""

from __future__ import annotations

from collections.abc import Iterable

from thane.config.settings import Settings
from thane.router.models import EMBEDDED, Model, is_named
from thane.router.profiles import Profile
from thane.turn import ToolSpec

DELEGATE = "thane_delegate"
"""The tool's name, as in the reference."""

ORCHESTRATOR = (
    *(DELEGATE, "GetDateTime", "remember_fact", "recall_fact", "forget_fact"),
    *("archive_search", "session_working_memory", "schedule_task"),
)
"""What is left to a model that must delegate, where `agent.orchestrator_tools` is empty. Those that do not exist are
not missed."""


def own_tools(
    specs: Iterable[ToolSpec],
    profile: Profile | None,
    model: Model,
    models: Iterable[Model],
    settings: Settings,
    *,
    delegated: bool,
) -> tuple[ToolSpec, ...]:
    """Thane's own tools for `model`, in their order. `models` are all that may be chosen.

    `delegated`: the run is itself a delegated one, and hands nothing on.
    """
    specs = tuple(specs)
    plain = tuple(spec for spec in specs if spec.name != DELEGATE)
    mode = profile.delegation if profile else "auto"
    if delegated or mode == "off" or not settings.delegation.enabled or not _has_help(model, models):
        return plain
    if mode == "required" or settings.agent.delegation_required:
        kept = {DELEGATE, *(settings.agent.orchestrator_tools or ORCHESTRATOR)}
        return tuple(spec for spec in specs if spec.name in kept)
    strong = model.quality >= settings.delegation.strong_quality
    return specs if mode == "offer" or strong else plain


def _has_help(model: Model, models: Iterable[Model]) -> bool:
    """Whether there is another model that costs less, or is as cheap and not better."""
    if model.provider == EMBEDDED:
        return False
    return any(
        (other.cost_tier, other.quality) <= (model.cost_tier, model.quality) and other.tools
        for other in models
        if not (other.provider == model.provider and is_named(other.name, model.name))
    )
