"""The atoms of the dashboard's markup: icons, state signs, gauges. Everything that takes text escapes it."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

type Sign = Literal[
    "starting", "waiting", "queued", "processing", "sleeping", "error", "stopped", "done", "cancelled", "warn", "off"
]
"""The state signs of the sprite `templates/icons.svg`, each with a class `is-…` that gives its colour."""

STATES: dict[str, Sign] = {
    "pending": "starting",
    "waiting": "waiting",
    "sleeping": "sleeping",
    "queued": "queued",
    "processing": "processing",
    "error": "error",
    "stopped": "stopped",
}
"""Sign of each loop state."""

CHANNELS: dict[str, tuple[str, str]] = {
    "owu": ("Open WebUI", "globe"),
    "ha": ("Home Assistant", "mic"),
    "api": ("API", "code"),
}
"""Name and icon of each channel."""


def element_id(prefix: str, name: str) -> str:
    """An id that is a CSS identifier too."""
    return f"{prefix}-{re.sub(r'[^A-Za-z0-9_-]', '-', name)}"


def events_address(**query: str) -> str:
    """The address of the Events page with filters."""
    return f"/events?{urlencode({name: value for name, value in query.items() if value})}"


def run_address(run_id: str) -> str:
    """The address of a run's page."""
    return f"/runs/{quote(run_id, safe='')}"


def icon(name: str, extra: str = "") -> Markup:
    return Markup('<svg class="i{}" aria-hidden="true"><use href="#i-{}"/></svg>').format(
        f" {extra}" if extra else "", name
    )


def sign(state: str) -> Markup:
    return Markup('<svg class="sg" aria-hidden="true"><use href="#s-{}"/></svg>').format(state)


def state(name: str, words: str, drawn: Markup | None = None) -> Markup:
    """A sign (or another drawing) with its words: a state is never said by colour alone."""
    return Markup('<span class="st is-{}">{}{}</span>').format(name, drawn or sign(name), words)


def level(percent: float) -> str:
    """Class of a context gauge: amber from 60 %, red from 80 %."""
    return "hi" if percent >= 80 else "mid" if percent >= 60 else ""


def gauge(percent: float, label: str) -> Markup:
    colour = level(percent)
    return Markup(
        '<svg class="gauge{}" role="img" aria-label="{}"><rect class="gb" width="100%" height="100%" rx="2"/>'
        '<rect class="gv" width="{:.0f}%" height="100%" rx="2"/></svg>'
    ).format(f" {colour}" if colour else "", label, min(100.0, percent))


def attributes(**values: object) -> Markup:
    """HTML attributes from keywords; an underscore stands for a hyphen, "" and None leave one out."""
    return Markup("").join(
        Markup(' {}="{}"').format(name.strip("_").replace("_", "-"), escape(value))
        for name, value in values.items()
        if value not in ("", None)
    )
