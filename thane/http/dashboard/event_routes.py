"""The Events page, one event as a page of its own, and rows that a page asks for."""

from __future__ import annotations

from markupsafe import Markup
from quart import Blueprint, Response, request

from thane.clock import iso
from thane.errors import ClientError
from thane.events.event import KINDS
from thane.events.filter import EventFilter
from thane.http.dashboard import words
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.event_page import EventPage
from thane.http.dashboard.event_query import EventQuery, kinds_by_source, newest, select
from thane.http.dashboard.event_rows import event_rows, gap_row
from thane.http.dashboard.json_markup import json_markup
from thane.http.dashboard.pages import HTML

EXPORTED = 1000  # the most that the log gives at once


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("events", __name__)
    rooms, limits = desk.rooms, desk.rooms.settings.dashboard

    @blueprint.get("/events")
    async def events() -> Response:
        """The page Events. Its filter is in the query."""
        query, moment = EventQuery.read(request.args), rooms.clock.time()
        page = EventPage(rooms, desk.board, query)
        seen = rooms.bus.last_seq
        found = await page.look_back()
        parts = await page.parts()
        shown, earlier = newest(found, limits.event_rows)
        return desk.pages.response(
            "events.html",
            desk.theme(),
            page="events",
            parts={name: part.whole(moment) for name, part in parts.items()},
            announcement=page.announcement.whole(moment),
            rows=event_rows(shown, page.title, page.zone),
            earlier=earlier,
            scanned=words.count(limits.event_scan) if query.text and seen > limits.event_scan else "",
            last=shown[-1].seq if shown else seen,
            query=query,
            sources=tuple(KINDS),
            kinds=kinds_by_source(query.sources),
            export=f"/v1/events/log?{query.log_query(EXPORTED)}",
            live=f"/live?{query.query(page='events')}",
            rows_address=f"/events/rows?{query.query()}",
            most=limits.event_rows,
        )

    @blueprint.get("/events/rows")
    async def rows() -> Response:
        """Rows of the event list, for the page."""
        query, page = EventQuery.read(request.args), EventPage(rooms, desk.board, EventQuery())
        after, before = request.args.get("after", 0, type=int), request.args.get("before", None, type=int)
        found = await select(rooms.bus, query, after, before)
        shown, earlier = newest(found, limits.event_rows)
        gap = gap_row(earlier, found[0].seq, found[earlier - 1].seq, query) if earlier else Markup("")
        body = gap + event_rows(shown, page.title, page.zone)
        return Response(body, 200, {"Cache-Control": "no-store"}, content_type=HTML)

    @blueprint.get("/events/<int:seq>")
    async def event(seq: int) -> Response:
        """One event as a page; to htmx only its data."""
        found = await rooms.bus.replay(seq - 1, EventFilter(), 1)
        if not found or found[0].seq != seq:
            raise ClientError(f"event {seq} is not in the log, or no longer", status=404, code="not_found")
        one = found[0]
        whole = {"seq": one.seq, "ts": iso(one.ts), "source": one.source, "kind": one.kind, "data": one.data}
        conversation = str(one.data.get("conversation_id") or "")
        template = "event_data.html" if request.headers.get("HX-Request") else "event.html"
        return desk.pages.response(
            template, desk.theme(), page="", event=one, markup=json_markup(whole), conversation=conversation
        )

    return blueprint
