"""Runs over the native API: those that go on, those that were, and stopping one."""

from __future__ import annotations

from typing import get_args

from quart import Blueprint, Response, request

from thane.conversations.live import LiveRun
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, limit
from thane.http.native.query import cursor, once, paged, when
from thane.http.rooms import Rooms
from thane.memory.records import RunFilter, RunRecord, RunState
from thane.turn import Channel

DEFAULT = 50
MOST = 500
STATES: tuple[str, ...] = get_args(RunState.__value__)
CHANNELS: tuple[str, ...] = get_args(Channel.__value__)
_LIVE = {"queued": "queued", "running": "processing"}  # what the state of a stored run is called while it goes on


def asked_by() -> str:
    """Who wants something stopped, for the record: the dashboard's buttons are htmx's, everyone else is the API."""
    return "dashboard" if request.headers.get("HX-Request") == "true" else "api"


def read_filter() -> RunFilter:
    """Which runs a request asks for. Raises ClientError for a state, a channel or a time that there is not."""
    return RunFilter(
        conversation_id=once("conversation_id"),
        channel=_one_of("channel", CHANNELS),
        state=_one_of("state", STATES),
        model=once("model"),
        parent_run_id=once("parent_run_id"),
        since=when("since"),
        until=when("until"),
    )


def living(rooms: Rooms, run_id: str) -> LiveRun | None:
    """The run, if it goes on or waits."""
    return next((run for run in rooms.conversations.running() if run.run_id == run_id), None)


async def stored(rooms: Rooms, run_id: str) -> RunRecord:
    """The run as it is kept. Raises ClientError when there is none."""
    record = await rooms.archive.run(run_id)
    if record is None:
        raise ClientError("run not found", status=404, code="run_not_found")
    return record


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/runs` and `/v1/runs/{id}`."""
    blueprint = Blueprint("runs", __name__)
    archive, conversations = rooms.archive, rooms.conversations

    @blueprint.get("/v1/runs")
    async def runs() -> Response:
        """`{"running","recent","next"}`: what runs or waits, oldest first, and what ended, latest first, without its
        steps and the rest. `limit` is for the latter: 50, at most 500; `next` is the `cursor` of the page after it,
        null on the last, and a page with a `cursor` has nothing that runs. `conversation_id`, `channel`, `state`,
        `model`, `parent_run_id`, and `since` and `until` of the start, select in both."""
        wanted, most, start = read_filter(), limit(DEFAULT, MOST), cursor(tuple[float, str])
        live = conversations.running()
        running = [run for run in live if start is None and _fits(run, wanted)]
        going_on = {run.run_id for run in live}
        found = await archive.runs(wanted=wanted, start=start, limit=most + 1 + len(going_on))
        ended = [run for run in found if run.id not in going_on]
        page, following = paged(ended, most, lambda last: (last.started_at, last.id))
        return answer(
            {
                "running": [fields(run) for run in running],
                "recent": [fields(run) for run in page],
                "next": following,
            }
        )

    @blueprint.get("/v1/runs/<run_id>")
    async def run(run_id: str) -> Response:
        """A run with its `steps`, `tool_calls`, `spans` and `prompts` (their `hash` is for `/v1/prompts`); while it
        goes on, how it stands (`state` is `queued` or `processing`), with its `spans`. `facts` are those that it was
        told (`how` is `prompt` or `recall`) or that it remembered."""
        live = living(rooms, run_id)
        told = fields(live if live is not None else await stored(rooms, run_id))
        uses = await rooms.facts.used_by(run_id) if rooms.facts is not None else ()
        return answer(
            told
            | {
                "facts": [
                    fields(use) | {"scope": fact.scope, "category": fact.category, "key": fact.key, "value": fact.value}
                    for use, fact in uses
                ]
            }
        )

    @blueprint.delete("/v1/runs/<run_id>")
    async def stop(run_id: str) -> Response:
        """Cancel a run that goes on or waits: 202. 409 when it has ended, or its answer is complete already."""
        if conversations.cancel(run_id, asked_by()):
            return answer({"run_id": run_id, "status": "cancelling"}, 202)
        if living(rooms, run_id) is None:
            await stored(rooms, run_id)
        raise ClientError("this run has ended already", status=409, code="run_ended")

    return blueprint


def _one_of(name: str, known: tuple[str, ...]) -> str:
    given = once(name)
    if given and given not in known:
        raise ClientError(f"{name}: there is no '{given}'; give one of {', '.join(known)}")
    return given


def _fits(run: LiveRun, wanted: RunFilter) -> bool:
    return (
        wanted.conversation_id in ("", run.conversation_id)
        and wanted.channel in ("", run.channel)
        and (not wanted.state or _LIVE.get(wanted.state) == run.state)
        and wanted.model in ("", run.model)
        and wanted.parent_run_id in ("", run.parent_run_id)
        and (wanted.since is None or run.started_at >= wanted.since)
        and (wanted.until is None or run.started_at <= wanted.until)
    )
