"""The Run page, its prompts, and the list of runs that leads to it."""

from __future__ import annotations

from urllib.parse import urlencode

from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from thane.errors import ClientError
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.run_page import LIVE, RunPage, run_line
from thane.http.dashboard.run_prompt import prompt_markup
from thane.http.native.query import cursor, paged
from thane.http.native.runs import CHANNELS, STATES, read_filter
from thane.memory.prompts import KeptPrompt

ROWS = 50
UNKNOWN = "There is no run {}. It may have been too old to be kept (runs.run_days)."


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("run", __name__)
    rooms = desk.rooms

    @blueprint.get("/runs")
    async def runs() -> Response:
        """The runs that were, latest first, with the filters of `GET /v1/runs`."""
        wanted, start = read_filter(), cursor(tuple[float, str])
        found = await rooms.archive.runs(wanted=wanted, start=start, limit=ROWS + 1)
        page, rest = paged(found, ROWS, lambda last: (last.started_at, last.id))
        following = ""
        if rest:
            given = MultiDict(request.args)
            given["cursor"] = rest
            following = f"/runs?{urlencode(list(given.items(multi=True)))}"
        return desk.pages.response(
            "runs.html",
            desk.theme(),
            page="runs",
            runs=[run_line(run, desk.board.zone) for run in page],
            wanted=wanted,
            states=STATES,
            channels=CHANNELS,
            following=following,
        )

    @blueprint.get("/runs/<run_id>")
    async def run(run_id: str) -> Response:
        """The page of one run, live while it goes on."""
        drawn = RunPage(rooms, run_id)
        parts = await drawn.page()
        if drawn.run is None:
            raise ClientError(UNKNOWN.format(run_id), status=404, code="run_not_found")
        moment = rooms.clock.time()
        return desk.pages.response(
            "run.html",
            desk.theme(),
            page="runs",
            parts={name: part.whole(moment) for name, part in parts.items()},
            announcement=drawn.announcement.whole(moment),
            run=drawn.run,
            live=drawn.run.state in LIVE,
        )

    @blueprint.get("/runs/<run_id>/prompts/<int:place>")
    async def prompt(run_id: str, place: int) -> Response:
        """What a model step was sent, as a part of the page or, opened alone, as one of its own."""
        found, address = await _prompt(desk, run_id, place)
        markup = prompt_markup(found, address, most_chars=rooms.settings.dashboard.prompt_chars)
        template = "run_prompt_part.html" if request.headers.get("HX-Request") else "run_prompt.html"
        return desk.pages.response(template, desk.theme(), page="runs", markup=markup, run_id=run_id)

    return blueprint


async def _prompt(desk: Desk, run_id: str, place: int) -> tuple[KeptPrompt, str]:
    """A prompt, and the address of its JSON. Raises ClientError when there is none."""
    archive, conversations = desk.rooms.archive, desk.rooms.conversations
    sent = conversations.sent_prompts(run_id)
    if place < len(sent):
        return archive.as_kept(sent[place]), f"/v1/requests/{run_id}"
    record = await archive.run(run_id)
    if record is None:
        raise ClientError(UNKNOWN.format(run_id), status=404, code="run_not_found")
    told = next((each for each in record.prompts if each.place == place), None)
    found = await archive.prompt(told.hash) if told is not None else None
    if found is None:
        raise ClientError("This prompt is not kept, or no longer (runs.prompt_days).", status=404, code="not_found")
    return found, f"/v1/prompts/{found.hash}"
