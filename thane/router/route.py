"""Which model answers a request, which come after it, and why: what must hold first, then points. Pure.

What must hold and is never given up: the profile's `local_only`, the highest cost, the budget, and that a model that
keeps failing is left alone. Able (tools, images, a context that is large enough, a provider that answers) is what a
model should be: where none is, the best of the others answers rather than nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from thane.config.settings import Models
from thane.router.classify import Class, classify
from thane.router.decision import Candidate, Decision, Part
from thane.router.models import EMBEDDED, Model, is_named
from thane.router.profiles import Profile
from thane.router.score import Asked, quality_floor, score

BRAIN = Model(EMBEDDED, EMBEDDED, speed=10, quality=1)
"""The embedded brain, as a model."""

_PINNED = 1000


class Conditions(msgspec.Struct, frozen=True):
    """What is so at this moment, each with its reason in words.

    `down`: providers that do not answer. `resting`: models, as (provider, model), that are left alone after failures.
    `spent`: models that a budget forbids, each with a sentence for the one who asked. `warm`: models that hold a
    conversation in their cache.
    """

    down: Mapping[str, str] = msgspec.field(default_factory=dict)
    resting: Mapping[tuple[str, str], str] = msgspec.field(default_factory=dict)
    spent: Mapping[tuple[str, str], str] = msgspec.field(default_factory=dict)
    warm: frozenset[tuple[str, str]] = frozenset()


NOTHING = Conditions()


class Routing(msgspec.Struct, frozen=True):
    """`order` are the models to try, the chosen one first. Empty, `refusal` says why no model may answer; without a
    refusal there is no model to speak of, and the embedded brain answers. `stopped`: it is a budget that leaves nobody,
    so the refusal is a sentence for the user and no failure."""

    decision: Decision
    order: tuple[Model, ...] = ()
    refusal: str = ""
    stopped: bool = False


class _Judged(msgspec.Struct):
    model: Model
    parts: tuple[Part, ...]
    points: int
    forbidden: str = ""
    resting: str = ""
    unable: str = ""


def route(
    asked: Asked, profile: Profile, models: tuple[Model, ...], settings: Models, now: Conditions = NOTHING
) -> Routing:
    """Choose by a profile among `models`, which are those of `candidates`."""
    kind = classify(asked.query, asked.language)
    judged = _judge(asked, profile, models, kind, settings=settings, now=now)
    ranked = sorted((each for each in judged if not (each.forbidden or each.resting)), key=_rank)
    able = [each for each in ranked if not each.unable]
    order = _ordered([*able] or ranked, profile)
    chosen = order[0] if order else None
    places = {id(each): place for place, each in enumerate(order)}
    shown = [_candidate(each, places.get(id(each)), chosen) for each in judged]
    embedded = Candidate(EMBEDDED, EMBEDDED, local=True, state="passed", reason=_embedded_waits(profile, asked))
    refusal, reasoning, stopped = "", "", False
    if chosen is None:
        spent = next((each.forbidden for each in judged if each.forbidden and each.forbidden == _spent(each, now)), "")
        stopped = bool(spent)
        refusal, reasoning = _nobody(judged, spent, local=asked.local_only or profile.local_only)
        if not refusal:
            embedded = msgspec.structs.replace(embedded, state="chosen", reason=reasoning)
    else:
        reasoning = _reasoning(chosen, asked, profile, kind, alone=len(judged) == 1)
    decision = _decision(
        asked,
        profile.name,
        kind,
        (*sorted(shown, key=lambda each: (_STATES.index(each.state), -each.score)), embedded),
        local_only=asked.local_only or profile.local_only,
        chosen=chosen.model if chosen else None if refusal else BRAIN,
        reasoning=reasoning,
        fallbacks=tuple(each.model.name for each in order[1:]),
    )
    return Routing(decision, tuple(each.model for each in order), refusal, stopped)


def route_named(asked: Asked, name: str, model: Model, now: Conditions = NOTHING) -> Routing:
    """The model that the request names answers, or nobody: whoever names one wants that one."""
    kind = classify(asked.query, asked.language)
    refusal = now.resting.get((model.provider, model.name), "")
    reason = "the request names it."
    if not refusal and asked.local_only and not model.local:
        refusal = "this request may only be answered in this house"
    spent = "" if refusal else now.spent.get((model.provider, model.name), "")
    told = spent or f"{model.name} cannot answer: {refusal}."
    refusal = refusal or spent
    candidate = Candidate(
        model.name, model.provider, model.local, "rejected" if refusal else "chosen", _sentence(refusal or reason)
    )
    decision = _decision(
        asked,
        name,
        kind,
        (candidate,),
        local_only=asked.local_only,
        chosen=None if refusal else model,
        reasoning=told if refusal else f"{model.name} answers: {reason}",
    )
    return Routing(decision, () if refusal else (model,), told if refusal else "", bool(spent))


def understood(routing: Routing) -> Routing:
    """The same decision where the embedded brain fully understands the request: it answers, before any model."""
    decision = routing.decision
    reason = "It fully understands this sentence."
    others = tuple(
        msgspec.structs.replace(each, state="fallback" if each.state in ("chosen", "fallback") else each.state)
        for each in decision.candidates
        if each.provider != EMBEDDED
    )
    decision = msgspec.structs.replace(
        decision,
        candidates=(Candidate(EMBEDDED, EMBEDDED, local=True, state="chosen", reason=reason), *others),
        model_selected=EMBEDDED,
        provider_selected=EMBEDDED,
        reasoning="The embedded brain answers: it fully understands this sentence.",
        fallbacks=tuple(model.name for model in routing.order),
    )
    return Routing(decision, (BRAIN, *routing.order))


_STATES: tuple[Literal["chosen", "fallback", "passed", "rejected"], ...] = ("chosen", "fallback", "passed", "rejected")


def _judge(
    asked: Asked, profile: Profile, models: tuple[Model, ...], kind: Class, *, settings: Models, now: Conditions
) -> list[_Judged]:
    floor = quality_floor(asked, profile, models)
    judged: list[_Judged] = []
    for model in models:
        key = (model.provider, model.name)
        parts = score(model, asked, profile, kind, floor=floor, local_first=settings.local_first, warm=key in now.warm)
        if profile.model and is_named(model.name, profile.model):
            parts = (*parts, Part("model_of_profile", _PINNED))
        if profile.model_preference and is_named(model.name, profile.model_preference):
            parts = (*parts, Part("model_preference", 25))
        judged.append(
            _Judged(
                model,
                parts,
                sum(part.points for part in parts),
                forbidden=_forbidden(model, asked, profile, now),
                resting=now.resting.get(key, ""),
                unable=_unable(model, asked, now),
            )
        )
    return judged


def _forbidden(model: Model, asked: Asked, profile: Profile, now: Conditions) -> str:
    if (profile.local_only or asked.local_only) and not model.local:
        return "it is not in this house, and this request may not leave it"
    if 0 <= profile.cost_tier_limit < model.cost_tier:
        return f"its cost tier {model.cost_tier} is above the {profile.cost_tier_limit} of {profile.name}"
    if asked.instead_of == (model.provider, model.name):
        return "it is the one that hands this task over"
    return now.spent.get((model.provider, model.name), "")


def _spent(each: _Judged, now: Conditions) -> str:
    return now.spent.get((each.model.provider, each.model.name), "")


def _unable(model: Model, asked: Asked, now: Conditions) -> str:
    if model.provider in now.down:
        return f"its provider {model.provider} does not answer ({now.down[model.provider].removesuffix('.')})"
    if asked.tools and not model.tools:
        return "it cannot call tools, which this request needs"
    if asked.images and model.images is False:
        return "it cannot see, and there is an image"
    if model.context_tokens and asked.context_tokens > model.context_tokens:
        return f"its context of {model.context_tokens} tokens is too small for about {asked.context_tokens}"
    return ""


def _rank(judged: _Judged) -> tuple[object, ...]:
    """Most points first; then the cheaper, the better, the default."""
    model = judged.model
    return -judged.points, model.cost_tier, -model.quality, not model.default


def _ordered(ranked: list[_Judged], profile: Profile) -> list[_Judged]:
    """The chosen one and those after it: the profile's fall-backs in their order where it names some."""
    if not ranked or not profile.fallbacks:
        return ranked
    named = [each for wanted in profile.fallbacks for each in ranked[1:] if is_named(each.model.name, wanted)]
    return [ranked[0], *named]


def _candidate(each: _Judged, place: int | None, chosen: _Judged | None) -> Candidate:
    model = each.model
    rejected = each.forbidden or each.resting
    state: Literal["chosen", "fallback", "passed", "rejected"]
    if rejected or (each.unable and place is None):
        state, reason = "rejected", rejected or each.unable
    elif each is chosen:
        state, reason = "chosen", f"{each.points} points"
        reason = f"nobody else is left, though {each.unable}" if each.unable else reason
    elif place is not None:
        state, reason = "fallback", f"{each.points} points: number {place} to try if the chosen one fails"
    else:
        state, reason = "passed", f"{each.points} points, and it is not among the profile's fall-backs"
    return Candidate(model.name, model.provider, model.local, state, _sentence(reason), each.points, each.parts)


def _reasoning(chosen: _Judged, asked: Asked, profile: Profile, kind: Class, *, alone: bool) -> str:
    model = chosen.model
    if chosen.unable:
        why = f"no model is able to ({chosen.unable}), and it comes nearest"
    elif asked.task:
        why = f"the cheapest model, for housekeeping ({asked.task})"
    elif alone:
        why = "the default model" if model.default else "the only model"
    else:
        intent = "" if kind.intent == "general" else f" {kind.intent.replace('_', ' ')}"
        why = f"{chosen.points} points for a {kind.complexity}{intent} request by {profile.name}"
    if profile.local_only or asked.local_only:
        why += ", a local model as it must be"
    return f"{model.name} answers: {why}."


def _nobody(judged: list[_Judged], spent: str, *, local: bool) -> tuple[str, str]:
    """Why there is no model, as (refusal, reasoning); no refusal where there is simply none. `spent` is the sentence of
    the budget that forbids some of them."""
    resting = [each for each in judged if each.resting and not each.forbidden]
    if resting:
        said = "; ".join(f"{each.model.name}: {each.resting}" for each in resting)
        told = f"{spent} No other model can answer now. {said}." if spent else f"No model can answer now. {said}."
        return told, told
    if spent:
        return spent, spent
    forbidden = [each for each in judged if each.forbidden]
    if forbidden and not local:
        said = _sentence(forbidden[0].forbidden)
        return said, said
    why = "no local model is configured" if judged else "no model is configured"
    return "", f"The embedded brain answers: {why}."


def _embedded_waits(profile: Profile, asked: Asked) -> str:
    if asked.task:
        return "It does no housekeeping where there is a model."
    if not profile.fast_path:
        return f"{profile.name} does not use it for what it understands."
    return "It answers first only what it fully understands."


def _sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith(".") else f"{text}."


def _decision(
    asked: Asked,
    profile: str,
    kind: Class,
    candidates: tuple[Candidate, ...],
    *,
    local_only: bool,
    chosen: Model | None,
    reasoning: str,
    fallbacks: tuple[str, ...] = (),
) -> Decision:
    return Decision(
        request_id=asked.run_id,
        timestamp=asked.at,
        profile=profile,
        query_length=len(asked.query),
        context_size=asked.context_tokens,
        needs_tools=asked.tools > 0,
        needs_images=asked.images,
        local_only=local_only,
        priority="background" if asked.task else "interactive",
        complexity=kind.complexity,
        detected_intent=kind.intent,
        candidates=candidates,
        model_selected=chosen.name if chosen else "",
        provider_selected=chosen.provider if chosen else "",
        reasoning=reasoning,
        fallbacks=fallbacks,
    )
