"""The running turns as rows: who, what it does now, on which model, where its time went, and a stop button."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from thane.conversations.live import LiveRun, Span
from thane.http.dashboard import words
from thane.http.dashboard.drawing import CHANNELS, element_id, icon, run_address, sign
from thane.http.dashboard.parts import Part, place
from thane.http.dashboard.task_tree import STEP_ICONS, pace

GAP = 0.6  # per cent between two pieces of the time bar
THINNEST = 1.0  # per cent


class Piece(msgspec.Struct, frozen=True):
    """A piece of a turn's time bar; `x` and `width` are per cent."""

    kind: str
    x: float
    width: float
    going: bool


def running_part(runs: Sequence[LiveRun], now: float) -> Part:
    """The card's content: a heading with counts, and a row for each turn, in the order in which they started.

    Housekeeping belongs to no conversation and is only counted.
    """
    tasks = [run for run in runs if run.task]
    ordered = sorted((run for run in runs if not run.task), key=lambda run: (run.started_at, run.run_id))
    counts = Counter(run.state for run in ordered)
    items = {element_id("run", run.run_id): _row(run, now) for run in ordered}
    rows = Markup("").join(place(name) for name in items)
    body = (
        Markup('<ol class="turns">{}</ol>').format(rows)
        if items
        else Markup('<p class="quiet">Nothing is running. What anyone asks appears here while it is answered.</p>')
    )
    shell = Markup(
        '<div id="running"><header class="card-h"><h2 id="h-run">Running turns</h2>{}<span class="sp"></span>{}'
        "</header>{}</div>"
    ).format(
        Markup('<span class="count">{}</span>').format(counts["processing"]) if ordered else "",
        Markup("").join(
            Markup('<span class="meta">{} {}</span>').format(number, what)
            for number, what in (
                (counts["queued"], "queued"),
                (counts["waiting"], "at their clients' tools"),
                (len(tasks), "housekeeping"),
            )
            if number
        ),
        body,
    )
    return Part("running", shell, items)


def _row(run: LiveRun, now: float) -> Markup:
    channel, channel_icon = CHANNELS[run.channel]
    title = words.clean(run.title) or "Untitled"
    turn = f"Turn {run.turn_number}" if run.turn_number else ""
    return Markup(
        '<li class="turn is-{state}" id="{id}">{sign}<div class="turn-b">'
        '<p class="turn-t"><a href="{address}">{title}</a>'
        '<span class="meta chan">{chan_icon}<span class="vh">{channel}, </span>{turn}</span>{time}</p>'
        '<p class="turn-s"><span class="what k-{kind}">{what}</span><span class="meta">{model}</span></p>{bar}</div>'
        "{stop}</li>"
    ).format(
        state=run.state,
        id=element_id("run", run.run_id),
        sign=sign(run.state),
        address=run_address(run.run_id),
        title=title,
        chan_icon=icon(channel_icon),
        channel=channel,
        turn=turn,
        time=words.running_since(run.started_at),
        kind=_current(run).kind if run.spans else "queue",
        what=_what(run),
        model=_model(run, now),
        bar=_bar(run, now),
        stop=_stop(run, title, turn) if run.state != "waiting" else "",
    )


def _stop(run: LiveRun, title: str, turn: str) -> Markup:
    return Markup(
        '<button class="ibtn stop" type="button" hx-delete="/v1/runs/{}" hx-swap="none" hx-disable="this" '
        'aria-label="Stop {}, {}" title="Stop">{}</button>'
    ).format(run.run_id, title, turn, icon("stop"))


def _current(run: LiveRun) -> Span:
    """The span that goes on, the last begun if several do, or else the last one."""
    return next((span for span in reversed(run.spans) if span.state == "running"), run.spans[-1])


def _what(run: LiveRun) -> Markup:
    if run.state == "queued":
        return Markup("{} in line").format(words.ordinal(run.position) if run.position else "Waiting")
    front = icon(STEP_ICONS.get(_current(run).kind, "clock")) if run.spans else ""
    return Markup("{}{}").format(front, words.clean(run.what) or "Starting")


def _model(run: LiveRun, now: float) -> Markup:
    model = words.clean(run.model or run.profile)
    rate = pace(run, now) if run.spans and _current(run).kind == "model" else 0
    return Markup('<span class="mono">{}</span>{}').format(model, f" · ≈ {rate} tok/s" if rate else "")


def _bar(run: LiveRun, now: float) -> Markup:
    pieces = time_bar(run, now)
    if not pieces:
        return Markup("")
    kinds = {"queue": "waiting in line", "model": "model", "tool": "tools", "error": "failed"}
    label = ", ".join(
        f"{name} {words.duration(length)}" for kind, name in kinds.items() if (length := spent(run, kind, now))
    )
    drawn = Markup("").join(
        Markup('<rect class="k-{}{}" x="{:.1f}%" width="{:.1f}%" height="3" rx="1.5"/>').format(
            piece.kind, " on" if piece.going else "", piece.x, piece.width
        )
        for piece in pieces
    )
    return Markup('<svg class="mini" role="img" aria-label="So far: {}">{}</svg>').format(label, drawn)


def spent(run: LiveRun, kind: str, now: float) -> float:
    """Seconds that a run spent in spans of one kind."""
    return sum(
        max(0.0, now - span.started_at) if span.duration is None else span.duration
        for span in run.spans
        if span.kind == kind
    )


def time_bar(run: LiveRun, now: float) -> list[Piece]:
    """Where the time went, on one line from the start of the run to now. Overlapping spans share the line."""
    total = max(now - run.started_at, 0.001)
    pieces: list[Piece] = []
    for span in run.spans:
        begin = 100 * max(0.0, span.started_at - run.started_at) / total
        end = 100.0 if span.duration is None else begin + 100 * span.duration / total
        begin = max(begin, pieces[-1].x + pieces[-1].width + GAP if pieces else 0.0)
        width = min(100.0, max(end, begin + THINNEST)) - begin
        if width > 0:
            pieces.append(Piece(span.kind, begin, width, span.duration is None))
    return pieces
