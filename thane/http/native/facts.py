"""Facts over the native API: what Thane remembers of whom, corrected and forgotten by the owner."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, given, limit
from thane.http.native.query import choice, cursor, once, paged
from thane.http.rooms import Rooms
from thane.memory.fact import Fact, NewFact, Scope
from thane.memory.facts import Facts

_MOST = 500
_FILTERS = ("scope", "subject", "category", "key", "source")


type Moment = Annotated[float, msgspec.Meta(ge=0, lt=253_402_300_800)]
"""Epoch seconds up to the end of the year 9999, the last that RFC 3339 can write."""


class _Create(msgspec.Struct):
    category: str
    key: str
    value: str
    scope: Scope = "house"
    subject: str = ""
    confidence: float = 1.0
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class _Correct(msgspec.Struct):
    value: str
    valid_until: Moment | None = None


class _Forget(msgspec.Struct):
    erase: bool = False


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/facts` and below."""
    blueprint = Blueprint("facts", __name__)
    limits = rooms.settings.limits

    @blueprint.get("/v1/facts")
    async def listed() -> Response:
        """`{"facts","count","next"}`, latest change first. `q` is looked for in names and values; `scope`, `subject`,
        `category`, `key`, `source` and `state` (`current`; `all` for every state) select; what a model would put in
        the place of what a person wrote is `proposed`. `limit` is 50, at most 500;
        `next` is the `cursor` of the page after it."""
        equal = {name: value for name in _FILTERS if (value := once(name))}
        state = choice("state", "current", "proposed", "superseded", "forgotten", "all")
        if state != "all":
            equal["state"] = state
        most, start = limit(50, _MOST), cursor(tuple[float, str])
        found = await _facts(rooms).list(equal=equal, q=once("q"), start=start, limit=most + 1)
        page, following = paged(found, most, lambda each: (each.updated_at, each.id))
        return answer({"facts": [told(each) for each in page], "count": len(page), "next": following})

    @blueprint.post("/v1/facts")
    async def create() -> Response:
        """Remember something: 201 with the fact. What was known under its name (scope, subject, category, key) is
        superseded. `valid_from` and `valid_until` are epoch seconds."""
        wanted = await given(_Create, limits)
        return answer(
            told(await _facts(rooms).remember(NewFact(source="person", **msgspec.structs.asdict(wanted)))), 201
        )

    @blueprint.get("/v1/facts/<fact_id>")
    async def one(fact_id: str) -> Response:
        """A fact with its `history`, all that was ever known under its name, latest first, and its `uses`: the runs
        that were told of it (`how` is `prompt` or `recall`) or that told it (`remember`)."""
        fact, history, uses = await _facts(rooms).get(fact_id)
        more = {"history": [told(each) for each in history], "uses": [fields(use) for use in uses]}
        return answer(told(fact) | more)

    @blueprint.patch("/v1/facts/<fact_id>")
    async def correct(fact_id: str) -> Response:
        """Say what is right instead: the fact that now holds. The old one stays, superseded. 409 when it holds no
        more already."""
        wanted = await given(_Correct, limits)
        return answer(told(await _facts(rooms).correct(fact_id, **msgspec.structs.asdict(wanted))))

    @blueprint.delete("/v1/facts/<fact_id>")
    async def forget(fact_id: str) -> Response:
        """Forget a fact, or dismiss a proposal: 204. It stays for the record, told to no model. With `?erase=true` or
        `{"erase": true}` it is erased, with what was known under its name before: from checkpoints, kept prompts and
        calls of tools too. Then it is 200 and what went (`facts`, `checkpoints`, `prompts`, `tool_calls`), with what
        `remains` elsewhere, in sentences, and the `conversations` in which it was told."""
        erase = choice("erase", "", "true", "false") == "true" or (await given(_Forget, limits)).erase
        if erase:
            erased = await _facts(rooms).erase(fact_id)
            return answer(fields(erased) | {"remains": list(erased.remains)})
        await _facts(rooms).forget(fact_id)
        return Response(b"", 204)

    @blueprint.post("/v1/facts/<fact_id>/accept")
    async def accept(fact_id: str) -> Response:
        """Take a proposal for right: what a model would put in the place of what a person wrote. It holds from now on,
        and as what a person says. 409 when it is no proposal."""
        return answer(told(await _facts(rooms).accept(fact_id)))

    return blueprint


def told(fact: Fact) -> dict[str, Any]:
    """A fact as JSON has it."""
    times = {name: None if (at := getattr(fact, name)) is None else iso(at) for name in ("valid_from", "valid_until")}
    return fields(fact) | times


def _facts(rooms: Rooms) -> Facts:
    if rooms.facts is None:
        raise ClientError("facts are not kept here", status=503, code="unavailable")
    return rooms.facts
