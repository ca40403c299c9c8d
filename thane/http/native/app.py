"""The native listener's application: the API, its events, and the dashboard."""

from __future__ import annotations

from thane.http.dashboard import routes as dashboard
from thane.http.native import chat, conversations, events, loops, models, runs, system
from thane.http.openai import app as openai
from thane.http.problems import native_problem
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
    runs.routes,
    loops.routes,
    events.routes,
    dashboard.routes,
)
"""What makes the blueprints of this listener."""


def build_native(rooms: Rooms) -> ThaneApp:
    """An application without a door: `thane.http.guard` is put before it."""
    app = ThaneApp("thane.native", limits=rooms.settings.limits, problems=native_problem)
    mark_requests(app)
    for routes in ROUTES:
        app.register_blueprint(routes(rooms))
    return app
