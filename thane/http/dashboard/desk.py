"""What the routes of the dashboard share."""

from __future__ import annotations

from dataclasses import dataclass

from quart import request

from thane.http.dashboard.assets import Assets
from thane.http.dashboard.board import Board
from thane.http.dashboard.pages import Pages, Theme, read_theme
from thane.http.rooms import Rooms


@dataclass(frozen=True)
class Desk:
    """The rooms below, the templates, the static files, and the one drawing of the Now page."""

    rooms: Rooms
    pages: Pages
    assets: Assets
    board: Board

    def theme(self) -> Theme:
        """The theme that the one who asks has chosen; only within a request."""
        return read_theme(request.cookies)
