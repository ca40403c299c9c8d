"""The dashboard as a blueprint: pages, events, chat, the live channel, static files."""

from __future__ import annotations

from quart import Blueprint, Response, request

from thane.errors import ClientError
from thane.http.dashboard import chat_routes, event_routes, now_routes, static_routes
from thane.http.dashboard.assets import Assets, find_web
from thane.http.dashboard.board import Board
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.pages import SECURITY_HEADERS, Pages
from thane.http.problems import Problem, native_problem
from thane.http.rooms import Rooms


def routes(rooms: Rooms) -> Blueprint:
    """Reads `web/` once, so a changed file is seen after a restart."""
    folder = find_web()
    assets = Assets(folder)
    desk = Desk(rooms, Pages(folder / "templates", assets, rooms), assets, Board(rooms))
    dashboard = Blueprint("dashboard", __name__)
    for part in (now_routes, event_routes, chat_routes, static_routes):
        dashboard.register_blueprint(part.routes(desk))

    @dashboard.errorhandler(ClientError)
    async def problem(error: ClientError) -> Response:
        """A page for people; JSON for the page's own script, which asks for something else than HTML."""
        if request.headers.get("HX-Request") or "text/html" in request.headers.get("Accept", "text/html"):
            return desk.pages.problem(error.status, error.message, desk.theme())
        page = native_problem(Problem(error.status, error.message, error.code))
        return Response(page.body, error.status, content_type=page.content_type)

    @dashboard.after_request
    async def secure(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return dashboard
