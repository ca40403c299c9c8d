"""`GET /openapi.json`, on both listeners: each describes what it serves itself."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response, current_app

from thane.http.openapi.document import describe
from thane.http.rooms import Rooms


def routes(rooms: Rooms) -> Blueprint:
    """The document is made when it is first asked for; routes do not change after that."""
    blueprint = Blueprint("openapi", __name__)
    made: list[bytes] = []

    @blueprint.get("/openapi.json")
    async def openapi() -> Response:
        """The OpenAPI 3.1 document of the listener that is asked; people read it at `/docs` of the native one."""
        if not made:
            made.append(msgspec.json.encode(describe(current_app, rooms.version.version, rooms.settings.auth)))
        return Response(made[0], content_type="application/json; charset=utf-8")

    return blueprint
