"""What is told of the routes of routing decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from thane.http.openapi.shape import Shape, about
from thane.http.openapi.told import LIMIT, Told
from thane.router.circuit import CircuitStatus
from thane.router.decision import Candidate


class RouterStatistics(Shape):
    total_requests: int
    model_counts: Annotated[dict[str, int], about("Answers, by the model that gave them.")]
    avg_latency_ms: Annotated[dict[str, float], about("Means of the answers that succeeded.")]
    complexity_counts: dict[str, int]
    success_counts: dict[str, int]
    avg_tokens: Annotated[dict[str, float], about("Means of the answers that succeeded.")]


class RoutingDecision(Shape):
    request_id: Annotated[str, about("The run's id.")]
    timestamp: str
    query_length: int
    context_size: Annotated[int, about("Tokens of the prompt, about.")]
    needs_tools: bool
    priority: Annotated[str, about("`interactive` or `background`.")]
    detected_intent: str
    complexity: Annotated[int, about("0 simple, 1 moderate, 2 complex.")]
    rules_evaluated: tuple[str, ...]
    rules_matched: tuple[str, ...]
    scores: dict[str, int]
    model_selected: Annotated[str, about("Empty where no model was allowed to answer.")]
    reasoning: str
    profile: str
    provider_selected: str
    complexity_name: str
    needs_images: bool
    local_only: bool
    fallbacks: Annotated[tuple[str, ...], about("Models to try after the chosen one, in order.")]
    candidates: Annotated[tuple[Candidate, ...], about("Every model that could have answered.")]
    latency_ms: int | msgspec.UnsetType = msgspec.UNSET
    tokens_used: int | msgspec.UnsetType = msgspec.UNSET
    success: bool | msgspec.UnsetType = msgspec.UNSET
    model_answered: str | msgspec.UnsetType = msgspec.UNSET
    provider_answered: str | msgspec.UnsetType = msgspec.UNSET
    failed: Annotated[tuple[str, ...] | msgspec.UnsetType, about("Models that were tried before.")] = msgspec.UNSET
    failure: str | msgspec.UnsetType = msgspec.UNSET


class RoutingDecisions(Shape):
    count: int
    decisions: tuple[RoutingDecision, ...]


class RouterTelemetry(RouterStatistics):
    decisions: tuple[RoutingDecision, ...]
    circuits: Annotated[tuple[CircuitStatus, ...], about("Models that have failed since they last answered.")]


_UNKNOWN: Mapping[int, str] = {404: "No such decision, or it is no longer kept."}

ROUTER: Mapping[str, Told] = {
    "GET /v1/router/stats": Told(title="Read the router's totals", answer=RouterStatistics),
    "GET /v1/router/audit": Told(title="List routing decisions", answer=RoutingDecisions, query=(LIMIT,)),
    "GET /v1/router/explain/{run_id}": Told(title="Explain a run's model", answer=RoutingDecision, errors=_UNKNOWN),
    "GET /v1/telemetry/router": Told(
        title="Read the router's totals and latest decisions", answer=RouterTelemetry, query=(LIMIT,)
    ),
    "GET /v1/requests/{run_id}/routing": Told(
        title="Explain a request's model", answer=RoutingDecision, errors=_UNKNOWN
    ),
}
