"""The Memory page: what Thane remembers of whom, to look at, correct and forget."""

from __future__ import annotations

from urllib.parse import urlencode

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from thane.errors import ClientError
from thane.http.dashboard import memory_page
from thane.http.dashboard.desk import Desk
from thane.http.native.query import cursor, next_cursor
from thane.memory.fact import CATEGORIES, Fact, NewFact, Scope
from thane.memory.facts import Facts

_ROWS = 50
_QUERY_CHARS = 200
_PROPOSALS = 20
_SCOPES: dict[str, Scope] = {"person": "person", "conversation": "conversation", "house": "house"}


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("memory_pages", __name__)
    zone = desk.board.zone

    @blueprint.get("/memory")
    async def memory() -> Response:
        """The page Memory. `q` is looked for in what is remembered; `scope` and `state` select; `cursor` turns it."""
        query, scope = request.args.get("q", "").strip()[:_QUERY_CHARS], request.args.get("scope", "")
        state = request.args.get("state", "") or "current"
        equal = {"scope": scope} if scope in _SCOPES else {}
        if state != "all":
            equal["state"] = state
        start = cursor(tuple[float, str])
        facts = desk.rooms.facts
        found = tuple[Fact, ...]()
        if facts is not None:
            found = await facts.list(equal=equal, q=query, start=start, limit=_ROWS + 1)
        page, following = found[:_ROWS], ""
        if len(found) > _ROWS:
            place = next_cursor(page[-1].updated_at, page[-1].id)
            following = "/memory?" + urlencode({"q": query, "scope": scope, "state": state, "cursor": place})
        proposals: list[memory_page.Proposal] = []
        if facts is not None and state == "current" and not start:
            for each in await facts.list(equal={"state": "proposed"}, limit=_PROPOSALS):
                _, history, _ = await facts.get(each.id)
                proposals.append(memory_page.proposal(history, each, zone))
        return desk.pages.response(
            "memory.html",
            desk.theme(),
            proposals=proposals,
            erased=request.args.get("erased", "") == "1",
            told_in=request.args.getlist("in")[:_PROPOSALS],
            page="memory",
            query=query,
            scope=scope,
            state=state,
            scopes=memory_page.SCOPES,
            states=memory_page.STATES,
            categories=CATEGORIES,
            facts=memory_page.rows(page, zone),
            following=following,
        )

    @blueprint.post("/memory")
    async def remember() -> WerkzeugResponse:
        """Remember what is in the form: of a person if one is named, else of the house."""
        form = await request.form
        person = form.get("person", "").strip()
        scope: Scope = "person" if person else "house"
        await _facts(desk).remember(
            NewFact(scope, person, form.get("category", ""), form.get("key", ""), form.get("value", ""), "person")
        )
        return redirect("/memory", 303)

    @blueprint.get("/memory/<fact_id>")
    async def fact(fact_id: str) -> Response:
        """One fact: what was known before it, and which turns were told of it."""
        found, history, uses = await _facts(desk).get(fact_id)
        (row,) = memory_page.rows((found,), zone)
        return desk.pages.response(
            "fact.html",
            desk.theme(),
            page="memory",
            fact=row,
            history=memory_page.rows(history, zone),
            uses=memory_page.use_rows(uses, zone),
        )

    return blueprint


def decisions(desk: Desk) -> Blueprint:
    """What a person decides about one fact."""
    blueprint = Blueprint("memory_decisions", __name__)

    @blueprint.post("/memory/<fact_id>")
    async def correct(fact_id: str) -> WerkzeugResponse:
        """Say what is right instead."""
        right = await _facts(desk).correct(fact_id, value=(await request.form).get("value", ""))
        return redirect(f"/memory/{right.id}", 303)

    @blueprint.post("/memory/<fact_id>/forget")
    async def forget(fact_id: str) -> WerkzeugResponse:
        """Forget a fact; with `erase`, leave nothing of it."""
        if (await request.form).get("erase") != "1":
            await _facts(desk).forget(fact_id)
            return redirect("/memory", 303)
        erased = await _facts(desk).erase(fact_id)
        told_in = [("in", each) for each in erased.conversations[:_PROPOSALS]]
        return redirect("/memory?" + urlencode([("erased", "1"), *told_in]), 303)

    @blueprint.post("/memory/<fact_id>/accept")
    async def accept(fact_id: str) -> WerkzeugResponse:
        """Take what a model proposes for right."""
        await _facts(desk).accept(fact_id)
        return redirect("/memory", 303)

    return blueprint


def _facts(desk: Desk) -> Facts:
    if desk.rooms.facts is None:
        raise ClientError("facts are not kept here", status=503, code="unavailable")
    return desk.rooms.facts
