"""The routes of this room, for both listeners."""

from __future__ import annotations

from thane.http.openai import completions, embeddings, messages, responses

ROUTES = (completions.routes, responses.routes, messages.routes, embeddings.routes)
"""What makes the blueprints."""
