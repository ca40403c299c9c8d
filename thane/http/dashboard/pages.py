"""Pages from templates, and the headers that every answer of the dashboard carries."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import jinja2
import msgspec
from quart import Response

from thane.http.dashboard.assets import Assets
from thane.http.dashboard.drawing import icon, sign, state
from thane.http.rooms import Rooms

type Theme = Literal["auto", "light", "dark"]

HTML = "text/html; charset=utf-8"
THEME_COOKIE = "thane_theme"

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer of the dashboard, errors and static files too."""


class NavEntry(msgspec.Struct, frozen=True):
    name: str
    title: str
    href: str


NAV = (
    NavEntry("now", "Now", "/"),
    NavEntry("chats", "Conversations", "/conversations"),
    NavEntry("runs", "Runs", "/runs"),
    NavEntry("events", "Events", "/events"),
    NavEntry("models", "Models", "/models"),
    NavEntry("costs", "Costs", "/costs"),
    NavEntry("archive", "Archive", "/archive"),
    NavEntry("memory", "Memory", "/memory"),
    NavEntry("system", "System", "/system"),
)
"""The pages that exist; an entry's name is its icon too."""
NAV_FIRST = 4
"""Pages that a phone's tab bar shows; the others are under More."""


class Pages:
    """Renders the templates of a folder; everything that is put into them is escaped."""

    def __init__(self, templates: Path, assets: Assets, rooms: Rooms) -> None:
        self._rooms = rooms
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # what is shown belongs to the code that runs
        )
        names: dict[str, Any] = self._environment.globals
        names |= {
            "icon": icon,
            "sign": sign,
            "state": state,
            "asset": assets.url,
            "nav": NAV,
            "nav_first": NAV_FIRST,
            "version": rooms.version,
        }

    def html(self, template: str, theme: Theme, /, **context: object) -> str:
        return self._environment.get_template(template).render(
            theme=theme, moment=f"{self._rooms.clock.time():.3f}", **context
        )

    def response(self, template: str, theme: Theme, /, status: int = 200, **context: object) -> Response:
        """A page. It is never kept by a browser, because it shows a moment."""
        headers = {"Cache-Control": "no-store"}
        return Response(self.html(template, theme, **context), status, headers, content_type=HTML)

    def problem(self, status: int, message: str, theme: Theme = "auto") -> Response:
        """A page that says what went wrong, in words for the one who sees it."""
        title = HTTPStatus(status).phrase
        return self.response("problem.html", theme, status, page="", title=title, found=status != 404, message=message)


def read_theme(cookies: Mapping[str, str]) -> Theme:
    chosen = cookies.get(THEME_COOKIE)
    return chosen if chosen in ("light", "dark") else "auto"
