"""The native listener's application: the API, its events, and the dashboard."""

from __future__ import annotations

from thane.http.dashboard import routes as dashboard
from thane.http.native import (
    archive,
    chat,
    checkpoints,
    conversations,
    events,
    facts,
    logs,
    loops,
    models,
    requests,
    routing,
    runs,
    session,
    sessions,
    system,
    telemetry,
    tool_calls,
)
from thane.http.ollama.app import API as OLLAMA_API
from thane.http.openai import app as openai
from thane.http.openapi import routes as openapi
from thane.http.problems import native_problem, shared_problem
from thane.http.quart_app import ThaneApp
from thane.http.replies import mark_requests
from thane.http.rooms import Rooms

ROUTES = (
    chat.routes,
    chat.openai_routes,
    *openai.ROUTES,
    models.routes,
    system.routes,
    conversations.routes,
    conversations.export_routes,
    conversations.message_routes,
    runs.routes,
    requests.routes,
    routing.routes,
    archive.routes,
    checkpoints.routes,
    checkpoints.file_routes,
    facts.routes,
    sessions.routes,
    session.routes,
    telemetry.routes,
    tool_calls.routes,
    loops.routes,
    logs.routes,
    events.routes,
    openapi.routes,
    dashboard.routes,
)
"""What makes the blueprints of this listener, besides those of Ollama's API where it has no port of its own."""


def build_native(rooms: Rooms) -> ThaneApp:
    """An application without a door: `thane.http.guard` is put before it."""
    shares = rooms.settings.ollama_api.is_on_native_port
    problems = shared_problem if shares else native_problem
    app = ThaneApp("thane.native", limits=rooms.settings.limits, problems=problems)
    mark_requests(app)
    for routes in (*ROUTES, *OLLAMA_API) if shares else ROUTES:
        app.register_blueprint(routes(rooms))
    return app
