"""The routes of this room, for both listeners."""

from __future__ import annotations

from thane.http.openai import completions, responses

ROUTES = (completions.routes, responses.routes)
"""What makes the blueprints."""
