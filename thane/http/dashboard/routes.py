"""The dashboard as a blueprint: pages, events, chat, the live channel, static files."""

from __future__ import annotations

from typing import cast

from quart import Blueprint, Response, has_request_context, request
from quart.blueprints import BlueprintSetupState

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
from thane.http.problems import INTERNAL, UNKNOWN_PATH, Problem
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
    dashboard.register_blueprint(memory_routes.decisions(desk))

    def page(problem: Problem) -> Response | None:
        """A page for people; none for the page's own script, for programs, and for the live channel."""
        if not has_request_context() or request.path.startswith(API) or not _wants_page():
            return None
        return _secured(desk.pages.problem(problem.status, _words(problem), desk.theme()))

    @dashboard.record_once
    def pages(state: BlueprintSetupState) -> None:
        cast("ThaneApp", state.app).pages = page

    @dashboard.after_request
    async def secure(response: Response) -> Response:
        return _secured(response)

    return dashboard


def _wants_page() -> bool:
    return "text/html" in request.headers.get("Accept", "") or "HX-Request" in request.headers


def _words(problem: Problem) -> str:
    if problem.code == UNKNOWN_PATH:
        return f"There is no page {problem.path}."
    if problem.code == INTERNAL:
        return f"Something went wrong in Thane itself. Its log tells it all, under {problem.request_id}."
    return problem.message


def _secured(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
