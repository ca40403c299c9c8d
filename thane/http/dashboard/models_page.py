"""What the Models page shows: the model servers, one routing decision point by point, the models, the latest decisions.

Pure: everything comes in as values. The same decisions are in `/v1/router/audit` and `thane why`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Protocol

import msgspec
from markupsafe import Markup

from thane.config.money import Price
from thane.health.watch import Dependency
from thane.http.dashboard import words
from thane.http.dashboard.drawing import run_address, sign, state
from thane.models.provider import ModelInfo
from thane.router.circuit import CircuitStatus
from thane.router.decision import Candidate, Decision
from thane.router.decisions import ModelStatistics
from thane.router.models import EMBEDDED, Model, is_named

_NAMES = {"simple": "simple", "moderate": "moderate", "complex": "complex"}
_ZERO, _WIDTH = 30.0, 68.0  # per cent of the score's drawing: where nought is, and what is right of it
_MOST_MODELS = 100


class Prices(Protocol):
    """The side of `thane.ledger.pricing.PriceList` that is of use here."""

    def price(self, provider: str, model: str) -> Price | None: ...


class ModelsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is made from."""

    known: Sequence[ModelInfo]
    candidates: Sequence[Model]
    dependencies: Mapping[str, Dependency]
    circuits: Sequence[CircuitStatus]
    statistics: Sequence[ModelStatistics]
    decisions: Sequence[Decision]
    """The latest first."""
    shown: Decision | None
    zone: tzinfo | None = None
    spent: Mapping[tuple[str, str], str] = {}
    """Models that a budget forbids at this moment, each with the sentence."""


class ProviderCard(msgspec.Struct, frozen=True):
    name: str
    kind: str  # of the class `is-…`
    state: Markup
    about: str
    figures: tuple[tuple[str, str], ...]
    note: str
    watched: bool = False
    """Whether it is probed, and can be at once."""


class Points(msgspec.Struct, frozen=True):
    rule: str
    points: str
    against: bool


class CandidateRow(msgspec.Struct, frozen=True):
    model: str
    provider: str
    kind: str  # `chosen`, `rej` or ""
    score: str
    bars: Markup
    points: tuple[Points, ...]
    tag: str
    reason: str


class DecisionCard(msgspec.Struct, frozen=True):
    run: str
    href: str
    when: str
    reasoning: str
    tags: tuple[str, ...]
    rows: tuple[CandidateRow, ...]
    outcome: Markup


class ModelRow(msgspec.Struct, frozen=True):
    model: str
    provider: str
    state: Markup
    context: str
    can: str
    quality: str
    speed: str
    price: str
    answers: str
    mean: str
    tokens: str


class RecentRow(msgspec.Struct, frozen=True):
    href: str
    when: str
    model: str
    about: str
    kind: str
    sign: Markup
    reason: str


class ModelsView(msgspec.Struct, frozen=True):
    head: Markup
    count: str
    providers: tuple[ProviderCard, ...]
    decision: DecisionCard | None
    models: tuple[ModelRow, ...]
    more: int
    recent: tuple[RecentRow, ...]


def models_view(facts: ModelsFacts, prices: Prices) -> ModelsView:
    names = _providers(facts)
    cards = tuple(_card(name, facts) for name in names)
    up = sum(card.kind == "is-ok" for card in cards)
    head = f"{up} of {len(cards)} model servers up" if up < len(cards) else words.plural(up, "model server") + " up"
    rows = _rows(facts, prices)
    return ModelsView(
        head=state("done" if up == len(cards) else "warn", head),
        count=words.plural(len(rows), "model"),
        providers=cards,
        decision=_decision(facts.shown, facts.zone) if facts.shown else None,
        models=rows[:_MOST_MODELS],
        more=max(0, len(rows) - _MOST_MODELS),
        recent=tuple(_recent(each, facts.zone) for each in facts.decisions),
    )


def _providers(facts: ModelsFacts) -> list[str]:
    named = (*(info.provider for info in facts.known), *(model.provider for model in facts.candidates))
    return list(dict.fromkeys((EMBEDDED, *named)))


def _card(name: str, facts: ModelsFacts) -> ProviderCard:
    dependency = facts.dependencies.get(name)
    resting = [each for each in facts.circuits if each.provider == name and each.state != "closed"]
    has = sum(info.provider == name for info in facts.known)
    local = [model.local for model in facts.candidates if model.provider == name]
    answers = [each for each in facts.statistics if each.provider == name]
    figures = [("Models", words.count(has)), ("Answers", words.count(sum(each.answers for each in answers)))]
    if dependency is not None and dependency.latency_ms is not None:
        figures.append(("Asked in", words.duration(dependency.latency_ms / 1000)))
    kind, shown, note = "is-ok", state("done", "Up"), "Every model here may be called."
    if name == EMBEDDED:
        note = "Always there, without a network."
    elif dependency is not None and not dependency.ready:
        kind, shown, note = "is-error", state("off", "Down"), words.clean(dependency.last_error)
    elif resting:
        kind, shown = "is-retrying", state("warn", "Failing")
        note = "; ".join(_resting(each) for each in resting)
    elif dependency is None and not has:
        kind, shown, note = "is-off", state("off", "Not there"), "No model server of this name is configured."
    about = "" if name == EMBEDDED or not local else "in this house" if all(local) else "outside this house"
    return ProviderCard(words.clean(name), kind, shown, about, tuple(figures), note, watched=dependency is not None)


def _resting(circuit: CircuitStatus) -> str:
    when = f"tried again in {words.brief(circuit.retry_in)}" if circuit.retry_in else "tried again with the next turn"
    times = words.plural(circuit.failures, "failure")
    return f"{words.clean(circuit.model) or 'All of it'}: {times}, {when} ({words.clean(circuit.error)})"


def _decision(decision: Decision, zone: tzinfo | None) -> DecisionCard:
    tags = (
        f"profile {words.clean(decision.profile)}",
        _NAMES[decision.complexity],
        "" if decision.detected_intent == "general" else decision.detected_intent.replace("_", " "),
        "needs tools" if decision.needs_tools else "",
        "has an image" if decision.needs_images else "",
        "local only" if decision.local_only else "",
        "housekeeping" if decision.priority == "background" else "",
        f"≈ {words.count(decision.context_size)} tokens",
    )
    failed = decision.outcome.failed if decision.outcome else ()
    return DecisionCard(
        run=decision.request_id,
        href=run_address(decision.request_id),
        when=words.of_day(decision.timestamp, zone, "%H:%M:%S"),
        reasoning=words.clean(decision.reasoning),
        tags=tuple(tag for tag in tags if tag),
        rows=tuple(_row(each, decision, failed) for each in decision.candidates),
        outcome=_outcome(decision),
    )


def _outcome(decision: Decision) -> Markup:
    outcome = decision.outcome
    if outcome is None:
        return state("processing", "goes on")
    took = words.duration(outcome.latency)
    if not outcome.success:
        return state("error", f"no answer ({outcome.failure}) after {took}")
    return state("done", f"{words.clean(outcome.model)} answered in {took}")


def _row(each: Candidate, decision: Decision, failed: Iterable[str]) -> CandidateRow:
    outcome, rejected = decision.outcome, each.state == "rejected"
    answered = (
        (outcome.model, outcome.provider) == (each.model, each.provider)
        if outcome is not None and outcome.success
        else each.state == "chosen"
    )
    tag = {"chosen": "chosen", "fallback": "next in line"}.get(each.state, "")
    if answered and each.state != "chosen":
        tag = "answered in its place"
    elif each.state == "chosen" and each.model in failed:
        tag = "chosen, and failed"
    elif each.model in failed and not answered:
        tag = "failed too"
    points = tuple(
        Points(part.rule.replace("_", " "), f"{part.points:+d}".replace("-", "−"), part.points < 0)
        for part in each.parts
    )
    return CandidateRow(
        model=words.clean(each.model),
        provider=words.clean(each.provider),
        kind="chosen" if answered else "rej" if rejected or not each.parts else "",
        score="" if rejected or not each.parts else str(each.score).replace("-", "−"),
        bars=_bars(each, decision.candidates),
        points=points,
        tag=tag,
        reason=words.clean(each.reason),
    )


def _bars(each: Candidate, all_of_them: Sequence[Candidate]) -> Markup:
    """Points for to the right of nought, points against to the left, on one scale for the whole decision."""
    most = max((sum(part.points for part in other.parts if part.points > 0) for other in all_of_them), default=0)
    least = max((-sum(part.points for part in other.parts if part.points < 0) for other in all_of_them), default=0)
    scale = min(_WIDTH / max(most, 1), _ZERO / max(least, 1))
    right, left, drawn = _ZERO, _ZERO, Markup("")
    for part in each.parts:
        width = abs(part.points) * scale
        if part.points < 0:
            left -= width
        at = left if part.points < 0 else right
        drawn += Markup('<rect class="k-{}" x="{:.2f}%" width="{:.2f}%" y="5" height="12" rx="2"/>').format(
            "neg" if part.points < 0 else "pos", at, max(width - 0.4, 0.2)
        )
        if part.points > 0:
            right += width
    line = Markup('<line class="zero" x1="{0:.1f}%" x2="{0:.1f}%" y1="0" y2="22"/>').format(_ZERO)
    return Markup('<svg class="score" aria-hidden="true">{}{}</svg>').format(line, drawn)


def _rows(facts: ModelsFacts, prices: Prices) -> tuple[ModelRow, ...]:
    """Those that Thane may choose first, in their order; then what else the model servers have."""
    chosen = [_model_row(model, _info(model, facts.known), facts, prices) for model in facts.candidates]
    named = {(model.provider, model.name.lower()) for model in facts.candidates}
    rest = [
        _model_row(Model(info.name, info.provider, local=info.local), info, facts, prices, by_name=True)
        for info in facts.known
        if (info.provider, info.name.lower()) not in named
    ]
    return (*chosen, *rest)


def _info(model: Model, known: Iterable[ModelInfo]) -> ModelInfo | None:
    return next((info for info in known if info.provider == model.provider and is_named(info.name, model.name)), None)


def _model_row(
    model: Model, info: ModelInfo | None, facts: ModelsFacts, prices: Prices, *, by_name: bool = False
) -> ModelRow:
    of = next((e for e in facts.statistics if (e.provider, e.model) == (model.provider, model.name)), None)
    tools, thinking, images = (
        (info.supports_tools, info.supports_thinking, info.supports_images)
        if info
        else (model.tools, False, bool(model.images))
    )
    can = [name for name, there in (("tools", tools), ("thinking", thinking), ("images", images)) if there]
    context = (info.context_tokens if info else 0) or model.context_tokens
    return ModelRow(
        model=words.clean(model.name),
        provider=words.clean(model.provider),
        state=_model_state(model, facts, by_name=by_name),
        context=words.count(context) if context else "–",
        can=", ".join(can) or "words",
        quality="–" if by_name else str(model.quality),
        speed="–" if by_name else str(model.speed),
        price=_price(prices.price(model.provider, model.name), local=model.local),
        answers=words.count(of.answers) if of else "–",
        mean=words.duration(of.latency) if of and of.latency is not None else "–",
        tokens=words.count(round(of.tokens)) if of and of.tokens is not None else "–",
    )


def _model_state(model: Model, facts: ModelsFacts, *, by_name: bool) -> Markup:
    keys = ((model.provider, model.name), (model.provider, ""))  # its own, and that of its whole provider
    circuits = [each for each in facts.circuits if (each.provider, each.model) in keys]
    dependency = facts.dependencies.get(model.provider)
    if dependency is not None and not dependency.ready:
        return state("off", "unreachable")
    if any(circuit.state == "open" for circuit in circuits):
        return state("warn", "left alone")
    if any(circuit.state == "half_open" for circuit in circuits):
        return state("queued", "on trial")
    if model.provider == EMBEDDED:
        return state("done", "always there")
    if (model.provider, model.name) in facts.spent:
        return state("warn", "held back by a budget")
    return (
        state("waiting", "by its name") if by_name else state("done", "default" if model.default else "may be chosen")
    )


def _price(price: Price | None, *, local: bool) -> str:
    if price is None:
        return "not known"
    if not price.input_per_million and not price.output_per_million:
        return "local" if local else "free"
    return f"{price.input_per_million:.2f} / {price.output_per_million:.2f}"


def _recent(decision: Decision, zone: tzinfo | None) -> RecentRow:
    outcome = decision.outcome
    kind, reason = "processing", "goes on"
    model = decision.model_selected or "nobody"
    if outcome is not None:
        model = outcome.model if outcome.success or outcome.failed else model
        kind, reason = "done", f"{words.duration(outcome.latency)}, {words.plural(outcome.tokens, 'token')}"
        if outcome.failed:
            kind, reason = "warn", f"in place of {', '.join(outcome.failed)}"
        if not outcome.success:
            kind = "cancelled" if outcome.failure == "cancelled" else "error"
            reason = outcome.failure
    task = " · housekeeping" if decision.priority == "background" else ""
    return RecentRow(
        href=f"/models?run={decision.request_id}",
        when=words.of_day(decision.timestamp, zone, "%H:%M:%S"),
        model=words.clean(model),
        about=f"{words.clean(decision.profile)} · {decision.complexity}{task}",
        kind=f"is-{kind}",
        sign=sign(kind),
        reason=words.clean(reason),
    )
