"""The API page: what both listeners serve, to be read."""

from __future__ import annotations

from urllib.parse import urlsplit

from quart import Blueprint, Quart, Response, current_app, request

from thane.http.dashboard.api_page import Port, port
from thane.http.dashboard.desk import Desk
from thane.http.ollama.app import build_ollama
from thane.http.openapi.document import describe


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("api", __name__)
    rooms = desk.rooms
    settings = rooms.settings
    needs_key = bool(settings.auth.keys)

    def shown(name: str, address: str, app: Quart) -> Port:
        document = describe(app, rooms.version.version, settings.auth)
        return port(name, address, document, key=needs_key)

    @blueprint.get("/docs")
    async def docs() -> Response:
        """The API, to be read: every route of both ports, from the same source as `/openapi.json`."""
        here = urlsplit(request.host_url)
        ports = [shown("native", f"{here.scheme}://{here.netloc}", current_app)]
        if settings.ollama_api.enabled and settings.ollama_api.port:
            host = f"[{here.hostname}]" if ":" in (here.hostname or "") else here.hostname
            address = f"{here.scheme}://{host}:{settings.ollama_api.port}"
            ports.append(shown("ollama", address, build_ollama(rooms)))
        return desk.pages.response("api.html", desk.theme(), page="", ports=ports, needs_key=needs_key)

    return blueprint
