"""Routing decisions over the native API: the totals, the latest, and one run's. The older and the newer names."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.errors import ClientError
from thane.http.native.answers import answer, limit
from thane.http.rooms import Rooms
from thane.router.decision import Decision, fields
from thane.router.decisions import Decisions, totals

DEFAULT = 20
MOST = 1000


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/router/…`, `/v1/telemetry/router`, `/v1/requests/{id}/routing`."""
    blueprint = Blueprint("routing", __name__)

    @blueprint.get("/v1/router/stats")
    async def router_stats() -> Response:
        """Totals of the decisions that are kept (`routing.decisions_kept`). Counts and means by model are of the model
        that answered; means are of the answers that succeeded."""
        return answer(totals(await _kept(rooms).statistics()))

    @blueprint.get("/v1/router/audit")
    async def router_audit() -> Response:
        """`{"count","decisions"}`: the latest decisions, oldest of them first; `limit` is 20, at most 1,000."""
        decisions = await _kept(rooms).latest(limit(DEFAULT, MOST))
        return answer({"count": len(decisions), "decisions": [fields(each) for each in decisions]})

    @blueprint.get("/v1/router/explain/<run_id>")
    async def router_explain(run_id: str) -> Response:
        """Why a run's model was chosen: every model that could have answered, with its points or why it was left out.
        `outcome` fields are there once the run has ended."""
        return answer(fields(await _decision(run_id)))

    @blueprint.get("/v1/telemetry/router")
    async def telemetry_router() -> Response:
        """The totals of `/v1/router/stats`, with the latest decisions and the models that are left alone after
        failures (`circuits`)."""
        kept = _kept(rooms)
        decisions = await kept.latest(limit(DEFAULT, MOST))
        circuits = rooms.circuits.statuses() if rooms.circuits else ()
        return answer(
            {
                **totals(await kept.statistics()),
                "decisions": [fields(each) for each in decisions],
                "circuits": circuits,
            }
        )

    @blueprint.get("/v1/requests/<run_id>/routing")
    async def request_routing(run_id: str) -> Response:
        """The same as `/v1/router/explain/{id}`, by the newer name."""
        return answer(fields(await _decision(run_id)))

    async def _decision(run_id: str) -> Decision:
        decision = await _kept(rooms).find(run_id)
        if decision is None:
            raise ClientError("decision not found", status=404, code="decision_not_found")
        return decision

    return blueprint


def _kept(rooms: Rooms) -> Decisions:
    if rooms.decisions is None:
        raise ClientError("router not configured", status=503, code="no_router")
    return rooms.decisions
