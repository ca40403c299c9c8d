"""The System page, and the page of a loop."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response, request

from thane.errors import ClientError
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.log_rows import LEVELS, LogRow, chosen_level, log_rows
from thane.http.dashboard.loop_page import loop_view
from thane.http.dashboard.pages import HTML
from thane.http.dashboard.system_page import system_view
from thane.http.native.logs import DOORS
from thane.http.vitals import system
from thane.journal.index import Wanted

LINES = 60  # log lines on a page


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("system_pages", __name__)
    rooms, zone = desk.rooms, desk.board.zone

    async def lines(wanted: Wanted, level: str) -> list[LogRow] | None:
        """None where none are kept."""
        if rooms.journal is None or not rooms.settings.logging.index_rows:
            return None
        return log_rows(await rooms.journal.newest(msgspec.structs.replace(wanted, level=level), LINES), zone)

    @blueprint.get("/system")
    async def whole() -> Response:
        """The page System. `level` is the least level of its log lines."""
        level = chosen_level(request.args.get("level", ""))
        return desk.pages.response(
            "system.html",
            desk.theme(),
            page="system",
            view=system_view(system(rooms), rooms.clock.time()),
            lines=await lines(Wanted(without=DOORS), level),
            level=level,
            levels=LEVELS,
            address="/system",
        )

    @blueprint.get("/loops/<loop_id>")
    async def loop(loop_id: str) -> Response:
        """The page of a loop. `level` is the least level of its log lines."""
        found = rooms.loops.get(loop_id)
        if found is None:
            if "HX-Request" in request.headers:
                return Response(desk.pages.html("loop_ended.html", desk.theme()), content_type=HTML)
            raise ClientError("This loop has ended: what it did is among the runs and the events.", status=404)
        level, status = chosen_level(request.args.get("level", ""), "debug"), found.status()
        return desk.pages.response(
            "loop.html",
            desk.theme(),
            page="now",
            view=loop_view(status, zone, rooms.clock.time()),
            lines=await lines(Wanted(loop_id=loop_id, conversation_ids=status.recent_conv_ids), level),
            level=level,
            levels=LEVELS,
            address=f"/loops/{loop_id}",
        )

    return blueprint
