"""What a live page is made of, and which pieces of it a viewer still lacks.

A part is an element with an id. Its `items` are elements with ids inside it that change on their own: while the shell
around them stays as it is, only changed items are sent; when an item comes, goes or moves, the part is sent whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from markupsafe import Markup

from thane.http.dashboard.words import settle

_PLACE = re.compile("\x02([^\x02]+)\x02")


def place(item_id: str) -> Markup:
    """Where an item stands in its part's shell."""
    return Markup("\x02{}\x02").format(item_id)


class Part(msgspec.Struct, frozen=True):
    """Markup of one element, with marks for times (see `words`). `items` maps ids to their markup."""

    id: str
    shell: str
    items: Mapping[str, str] = {}
    svg: bool = False

    def whole(self, now: float) -> Markup:
        """The part with its items in their places; `now` is epoch seconds."""
        return settle(_PLACE.sub(lambda match: self.items[match.group(1)], self.shell), now, self._tag)

    def item(self, item_id: str, now: float) -> Markup:
        return settle(self.items[item_id], now, self._tag)

    @property
    def _tag(self) -> Literal["time", "tspan"]:
        return "tspan" if self.svg else "time"


type Page = Mapping[str, Part]

NOTHING: Page = {}
"""What a viewer knows at first."""


def changes(before: Page, after: Page, now: float) -> list[str]:
    """Messages for htmx, one for each element that differs: `<hx-partial>` elements that morph it in place."""
    found: list[str] = []
    for part_id, part in after.items():
        known = before.get(part_id)
        if known is part or known == part:
            continue
        if known is None or known.shell != part.shell:
            found.append(_partial(part_id, part.whole(now)))
            continue
        found += [
            _partial(item_id, part.item(item_id, now), svg=part.svg)
            for item_id, markup in part.items.items()
            if known.items[item_id] != markup
        ]
    return found


class Share:
    """The last difference that was written: viewers who know the same are told the same, written once."""

    def __init__(self) -> None:
        self._before: Page | None = None
        self._after: Page | None = None
        self._content = ""

    def changes(self, before: Page, after: Page, now: float) -> str:
        """As the function `changes`, in one piece. Pages are told apart by identity."""
        if before is not self._before or after is not self._after:
            self._before, self._after = before, after
            self._content = "".join(changes(before, after, now))
        return self._content


def _partial(target: str, markup: Markup, *, svg: bool = False) -> str:
    if svg:  # the wrapper makes the parser read the element as SVG; it is stripped before the swap
        return f'<hx-partial hx-target="#{target}" hx-swap="outerMorph strip:true"><svg>{markup}</svg></hx-partial>'
    return f'<hx-partial hx-target="#{target}" hx-swap="outerMorph">{markup}</hx-partial>'
