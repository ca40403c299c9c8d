"""The Ollama listener's application: Ollama's API, and OpenAI's as Ollama has it too."""

from __future__ import annotations

from thane.http.native import chat as openai_chat
from thane.http.native import models as openai_models
from thane.http.ollama import chat, cloud, embed, generate, management, models
from thane.http.openai import app as openai
from thane.http.openapi import routes as openapi
from thane.http.problems import ollama_problem
from thane.http.quart_app import ThaneApp
from thane.http.replies import mark_requests
from thane.http.rooms import Rooms

API = (
    models.routes,
    chat.routes,
    generate.routes,
    embed.routes,
    management.routes,
    cloud.routes,
)
"""What makes the blueprints of Ollama's own API; on the native listener too, where `ollama_api.port` is 0."""

ROUTES = (
    models.root,
    *API,
    openai_chat.openai_routes,
    *openai.ROUTES,
    openai_models.routes,
    openapi.routes,
)
"""What makes the blueprints of this listener."""


def build_ollama(rooms: Rooms) -> ThaneApp:
    """An application without a door: `thane.http.guard` is put before it."""
    app = ThaneApp("thane.ollama", limits=rooms.settings.limits, problems=ollama_problem)
    mark_requests(app)
    for routes in ROUTES:
        app.register_blueprint(routes(rooms))
    return app
