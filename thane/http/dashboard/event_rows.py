"""The rows of the Events page. The data of an event is fetched when its row is opened, so that a burst stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo

from markupsafe import Markup

from thane.events.event import Event
from thane.http.dashboard import words
from thane.http.dashboard.drawing import icon, sign
from thane.http.dashboard.event_query import EventQuery
from thane.http.dashboard.event_words import line

SOURCE_ICONS = {"agent": "models", "loop": "now", "home": "home", "health": "link", "system": "bolt"}

type Titles = Callable[[Event], str]
"""What the conversation of an event is called, "" if it belongs to none."""


def event_rows(events: Iterable[Event], titles: Titles, zone: tzinfo | None, *, new: bool = False) -> Markup:
    """`new` rows are tinted for a moment."""
    return Markup("").join(_row(event, titles, zone, new=new) for event in events)


def _row(event: Event, titles: Titles, zone: tzinfo | None, *, new: bool) -> Markup:
    said = line(event)
    return Markup(
        '<details class="{classes}" id="e-{seq}" data-seq="{seq}" hx-get="/events/{seq}" hx-trigger="toggle once" '
        'hx-target="find .ev-x" hx-swap="innerHTML"><summary><span class="e-seq">{shown}</span>'
        '<time class="e-t">{time}<i>{ms}</i></time><span class="e-src">{icon}{source}</span>'
        '<span class="e-k mono">{kind}</span><span class="e-x">{sign}<span>{text}</span></span>'
        '<span class="e-c">{title}</span></summary>'
        '<div class="ev-x"><a class="lnk" href="/events/{seq}">Data of event {shown}</a></div></details>'
    ).format(
        classes=" ".join(filter(None, ("ev", f"is-{said.sign}" if said.sign else "", "new" if new else ""))),
        seq=event.seq,
        shown=words.spaced(event.seq),
        time=words.of_day(event.ts, zone, "%H:%M:%S"),
        ms=f".{int(event.ts * 1000) % 1000:03}",
        icon=icon(SOURCE_ICONS.get(event.source, "events")),
        source=event.source,
        kind=event.kind,
        sign=Markup('{}<span class="vh">{}: </span>').format(sign(said.sign), said.sign) if said.sign else "",
        text=said.text,
        title=words.clean(titles(event)),
    )


def gap_row(count: int, first: int, last: int, query: EventQuery) -> Markup:
    """A row for `count` events, `first` to `last`, that were not shown, with a button that brings them."""
    address = query.query(after=first - 1, before=last + 1)
    return Markup(
        '<div class="ev-drop is-warn">{}<b>{} skipped</b><span>{} to {}. This view was slower than the burst; nothing '
        'is lost.</span><button class="btn" type="button" hx-get="/events/rows?{}" hx-target="closest .ev-drop" '
        'hx-swap="outerHTML">{}Replay</button></div>'
    ).format(
        sign("warn"), words.plural(count, "event"), words.spaced(first), words.spaced(last), address, icon("retry")
    )
