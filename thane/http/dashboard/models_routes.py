"""The Models page."""

from __future__ import annotations

import trio
from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from thane.errors import ClientError
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.models_page import ModelsFacts, models_view

RECENT = 12


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("models_page", __name__)
    rooms, zone = desk.rooms, desk.board.zone

    @blueprint.get("/models")
    async def models() -> Response:
        """The page Models. `run` is the run whose decision is shown; else it is the latest."""
        wanted, kept = request.args.get("run", ""), rooms.decisions
        latest = tuple(reversed(await kept.latest(RECENT))) if kept else ()
        shown = next(iter(latest), None)
        if wanted and kept is not None:
            shown = await kept.find(wanted)
            if shown is None:
                raise ClientError(
                    f"No decision is kept for the run {wanted}, or no longer (routing.decisions_kept).", status=404
                )
        known, candidates = rooms.models(), rooms.candidates()
        keys = {(model.provider, model.name) for model in (*known, *candidates)}
        facts = ModelsFacts(
            known=known,
            candidates=candidates,
            dependencies=rooms.health.report().dependencies,
            circuits=rooms.circuits.statuses() if rooms.circuits else (),
            statistics=(await kept.statistics()).models if kept else (),
            decisions=latest,
            shown=shown,
            zone=zone,
            spent=rooms.ledger.spending.refusals("", "", keys),
        )
        return desk.pages.response(
            "models.html",
            desk.theme(),
            page="models",
            view=models_view(facts, rooms.ledger.prices),
            address=f"/models?run={wanted}" if wanted else "/models",
        )

    @blueprint.post("/models/check")
    async def check() -> WerkzeugResponse:
        """Probe the model server in the form now, and show the page again once it has answered or had its time."""
        name = (await request.form).get("provider", "")
        with trio.move_on_after(rooms.settings.health.timeout_seconds):
            if not await rooms.health.check(name):
                raise ClientError(f"No model server of the name {name!r} is watched.", status=404)
        return redirect("/models", 303)

    return blueprint
