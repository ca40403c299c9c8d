"""What a model is worth for a request. Pure.

The points are the reference's (REFERENCE 6.6), with rules of its own for housekeeping.
"""

from __future__ import annotations

import msgspec

from thane.router.classify import LEVELS, Class
from thane.router.decision import Part
from thane.router.models import Model
from thane.router.profiles import Profile

_GOOD = 7  # speed or quality from here on counts as good
_MANY_TOOLS = 4
_COST = {"simple": 15, "moderate": 8, "complex": 3}
_BACKGROUND = frozenset({"background", "anticipation", "metacognitive"})
_CLOSE_TO_FULL, _HALF_FULL = 0.3, 0.5


class Asked(msgspec.Struct, frozen=True):
    """What the router knows of a request. `task` is the kind of housekeeping; "" for a real turn.

    `context_tokens` is about the size of the prompt, with what the answer may take; `tools` how many are offered.
    """

    run_id: str
    at: float
    query: str
    context_tokens: int
    tools: int = 0
    images: bool = False
    task: str = ""
    channel: str = "api"
    language: str = "en"
    instead_of: tuple[str, str] = ("", "")  # provider and model of the one who hands this task over
    local_only: bool = False  # besides the profile's: a delegated task of a local-only turn
    quality_floor: int = 0  # besides the profile's: what a loop wishes for its task


def quality_floor(asked: Asked, profile: Profile, models: tuple[Model, ...]) -> int:
    """The quality below which a model loses points: the higher of the profile's and the request's own."""
    if profile.quality_floor == "best":
        return max((model.quality for model in models), default=10)
    return max(profile.quality_floor, asked.quality_floor)


def score(
    model: Model, asked: Asked, profile: Profile, kind: Class, *, floor: int, local_first: bool, warm: bool
) -> tuple[Part, ...]:
    """The rules that apply to a model, with their points. `warm`: it holds a conversation's prompt in its cache."""
    if asked.task:
        return _for_housekeeping(model, warm=warm)
    level, free = kind.complexity, model.cost_tier == 0
    fast, good = model.speed >= _GOOD, model.quality >= _GOOD
    full = asked.context_tokens / model.context_tokens if model.context_tokens else 0.0
    rules = (
        ("complexity_match", 20, LEVELS.index(level) >= LEVELS.index(model.min_complexity)),
        ("speed_bonus", 15, level == "simple" and fast),
        ("quality_bonus", 2 * model.quality, level == "complex" and good),
        (f"cost_penalty_{level}", -_COST[level] * model.cost_tier, not free),
        ("free_model_bonus", 15, free and level != "complex"),
        ("context_penalty", -30, full > _CLOSE_TO_FULL and not good),
        ("context_bonus", 10, full > _HALF_FULL and good),
        ("tools_penalty", -20, asked.tools > _MANY_TOOLS and not good),
        ("local_first", 10, local_first and model.local),
        ("interactive_speed", 10, fast),
        ("channel_ha_bonus", 20, asked.channel == "ha" and free),
        ("channel_ha_speed", 10, asked.channel == "ha" and fast),
        ("below_quality_floor", -100, model.quality < floor),
        ("mission_background_bonus", 20, profile.mission in _BACKGROUND and free),
        ("prefer_speed_bonus", 15, profile.prefer_speed and fast),
    )
    return tuple(Part(rule, points) for rule, points, applies in rules if applies and points)


def _for_housekeeping(model: Model, *, warm: bool) -> tuple[Part, ...]:
    """The cheapest, then one that no conversation is using, then the fastest."""
    rules = (
        ("housekeeping_cost", -100 * model.cost_tier),
        ("keeps_conversation_cache", -50 if warm and model.local else 0),
        ("housekeeping_speed", model.speed),
    )
    return tuple(Part(rule, points) for rule, points in rules if points)
