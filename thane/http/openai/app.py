"""The routes of this room, for both listeners."""

from __future__ import annotations

from thane.http.openai import completions

ROUTES = (completions.routes,)
"""What makes the blueprints."""
