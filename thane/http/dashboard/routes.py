"""The dashboard as a blueprint: pages, events, chat, the live channel, static files."""

from __future__ import annotations

from typing import cast

from quart import Blueprint, Response, current_app, has_request_context, request
from werkzeug.exceptions import NotFound

from thane.errors import ClientError
from thane.http.dashboard import (
    api_routes,
    archive_routes,
    chat_routes,
    conversation_routes,
    cost_routes,
    event_routes,
    memory_routes,
    models_routes,
    now_routes,
    run_routes,
    static_routes,
    system_routes,
)
from thane.http.dashboard.assets import Assets, find_web
from thane.http.dashboard.board import Board
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.pages import SECURITY_HEADERS, Pages
from thane.http.problems import UNKNOWN_PATH, Problem, native_problem
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms

API = ("/v1/", "/api/", "/ws/")


def routes(rooms: Rooms) -> Blueprint:
    """Reads `web/` once, so a changed file is seen after a restart."""
    folder = find_web()
    assets = Assets(folder)
    desk = Desk(rooms, Pages(folder / "templates", assets, rooms), assets, Board(rooms))
    dashboard = Blueprint("dashboard", __name__)
    for part in (
        now_routes,
        conversation_routes,
        run_routes,
        event_routes,
        chat_routes,
        api_routes,
        models_routes,
        cost_routes,
        archive_routes,
        memory_routes,
        system_routes,
        static_routes,
    ):
        dashboard.register_blueprint(part.routes(desk))
    dashboard.register_blueprint(archive_routes.checkpoint_routes(desk))

    @dashboard.errorhandler(ClientError)
    async def problem(error: ClientError) -> Response:
        """A page for people; JSON for the page's own script, for programs, and for the live channel."""
        if has_request_context() and _wants_page():
            return desk.pages.problem(error.status, error.message, desk.theme())
        page = native_problem(Problem(error.status, error.message, error.code))
        return Response(page.body, error.status, content_type=page.content_type)

    @dashboard.app_errorhandler(NotFound)
    async def unknown(_: NotFound) -> Response:
        """A page for people who mistyped an address; programs are answered as the API does."""
        if request.path.startswith(API) or not _wants_page():
            app = cast("ThaneApp", current_app)
            return app.problem(Problem(404, f"there is nothing at {request.path}", UNKNOWN_PATH, request.path))
        return _secured(desk.pages.problem(404, f"There is no page {request.path}.", desk.theme()))

    @dashboard.after_request
    async def secure(response: Response) -> Response:
        return _secured(response)

    return dashboard


def _wants_page() -> bool:
    return "text/html" in request.headers.get("Accept", "") or "HX-Request" in request.headers


def _secured(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
