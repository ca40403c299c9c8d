"""Runs over the native API: those that go on, those that were, and stopping one."""

from __future__ import annotations

from quart import Blueprint, Response, request

from thane.conversations.live import LiveRun
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, limit
from thane.http.rooms import Rooms

DEFAULT = 50
MOST = 500


def asked_by() -> str:
    """Who wants something stopped, for the record: the dashboard's buttons are htmx's, everyone else is the API."""
    return "dashboard" if request.headers.get("HX-Request") == "true" else "api"


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/runs` and `/v1/runs/{id}`."""
    blueprint = Blueprint("runs", __name__)
    archive, conversations = rooms.archive, rooms.conversations

    def living(run_id: str) -> LiveRun | None:
        return next((run for run in conversations.running() if run.run_id == run_id), None)

    @blueprint.get("/v1/runs")
    async def runs() -> Response:
        """`{"running","recent"}`: what runs or waits, oldest first, and what ended, latest first, without steps and
        tool calls. `limit` is for the latter: 50, at most 500; `conversation_id` selects in both."""
        wanted = request.args.get("conversation_id", "")
        running = [run for run in conversations.running() if wanted in ("", run.conversation_id)]
        going_on = {run.run_id for run in running}
        ended = await archive.runs(conversation_id=wanted, limit=limit(DEFAULT, MOST))
        return answer(
            {
                "running": [fields(run) for run in running],
                "recent": [fields(run) for run in ended if run.id not in going_on],
            }
        )

    @blueprint.get("/v1/runs/<run_id>")
    async def run(run_id: str) -> Response:
        """A run with its `steps` and `tool_calls`; while it goes on, how it stands (`state` is `queued` or
        `processing`), with its `spans`."""
        live = living(run_id)
        if live is not None:
            return answer(fields(live))
        record = await archive.run(run_id)
        if record is None:
            raise _unknown()
        return answer(fields(record))

    @blueprint.delete("/v1/runs/<run_id>")
    async def stop(run_id: str) -> Response:
        """Cancel a run that goes on or waits: 202. 409 when it has ended, or its answer is complete already."""
        if conversations.cancel(run_id, asked_by()):
            return answer({"run_id": run_id, "status": "cancelling"}, 202)
        if living(run_id) is None and await archive.run(run_id) is None:
            raise _unknown()
        raise ClientError("this run has ended already", status=409, code="run_ended")

    return blueprint


def _unknown() -> ClientError:
    return ClientError("run not found", status=404, code="run_not_found")
