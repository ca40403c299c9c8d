"""Lanes of a waterfall as SVG in per cent: crisp at any width, laid out here, with no style and no script.

Long waits are collapsed to a band of fixed width, so that the work on both sides of them can still be told apart.
Pure: seconds from the start of the run in, markup out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
from markupsafe import Markup

GAP_WIDTH = 5.0  # per cent of a collapsed wait
LONGEST_WAIT = 2.0  # seconds that are drawn at their length
MARGIN = 0.25  # seconds on both sides of a collapsed wait that are still drawn
MOST_GAPS = 8
THINNEST = 0.35  # per cent
TICKS = 8  # about
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_CHAR_WIDTH = 0.65  # per cent of a lane that a character of a note takes, about; narrow screens show no notes
_NOTE_TURNS = 78.0  # per cent beyond which a note stands left of its bar


class Segment(msgspec.Struct, frozen=True):
    """A piece of a lane, in seconds. `kind` gives the colour; `waits` says that nothing happens meanwhile."""

    start: float
    end: float
    kind: str
    waits: bool = False


def gaps(segments: Iterable[Segment], total: float) -> tuple[tuple[float, float], ...]:
    """What to collapse: stretches in which nothing but waiting happens, the longest ones, in order."""
    pieces = list(segments)
    busy = sorted((each.start, each.end) for each in pieces if not each.waits)
    edges = sorted({0.0, total, *(edge for each in pieces for edge in (each.start, each.end))})
    found: list[tuple[float, float]] = []
    for start, end in pairwise(edges):
        if end - start > LONGEST_WAIT + 2 * MARGIN and not any(a < end and b > start for a, b in busy):
            found.append((start + MARGIN, end - MARGIN))
    found.sort(key=lambda gap: gap[0] - gap[1])
    return tuple(sorted(found[:MOST_GAPS]))


class Axis:
    """Seconds to per cent, for a run of `total` seconds with these gaps."""

    def __init__(self, total: float, gaps: Sequence[tuple[float, float]] = ()) -> None:
        self.total = max(total, 0.001)
        self.gaps = tuple(gaps)
        drawn = self.total - sum(end - start for start, end in gaps)
        self._scale = (100.0 - GAP_WIDTH * len(self.gaps)) / max(drawn, 0.001)
        self._ticks = tuple(self._tick_places())

    def x(self, seconds: float) -> float:
        place = at = 0.0
        for start, end in self.gaps:
            if seconds <= start:
                break
            place += (start - at) * self._scale
            if seconds < end:
                return place + GAP_WIDTH * (seconds - start) / (end - start)
            place, at = place + GAP_WIDTH, end
        return min(100.0, place + (seconds - at) * self._scale)

    def ticks(self) -> tuple[tuple[float, float], ...]:
        """(seconds, per cent) of each line, none in or at a gap, nor at the very end."""
        return self._ticks

    def _tick_places(self) -> Iterable[tuple[float, float]]:
        drawn = self.total - sum(end - start for start, end in self.gaps)
        step = next((step for step in _STEPS if drawn / step <= TICKS), self.total / TICKS)
        for number in range(int(self.total / step) + 1):
            seconds = number * step
            near = any(start - step * 0.35 < seconds < end + step * 0.35 for start, end in self.gaps)
            if not near and (place := self.x(seconds)) < 96:
                yield seconds, place

    def draw(self) -> Markup:
        """The axis above the lanes."""
        lines = [
            Markup('<text x="{:.2f}%" dx="4" y="16">{}</text>{}').format(x, _seconds(at), _tick(x, 6))
            for at, x in self.ticks()
        ]
        for start, end in self.gaps:
            left, right = self.x(start), self.x(end)
            lines.append(
                Markup(
                    '<rect class="gapb" x="{:.2f}%" width="{:.2f}%" y="22" height="100%"/>'
                    '<text class="gapt" x="{:.2f}%" y="16" text-anchor="middle">⋯ {:.1f} s</text>'
                ).format(left, right - left, (left + right) / 2, end - start)
            )
        return Markup('<svg class="axis" aria-hidden="true">{}</svg>').format(Markup("").join(lines))

    def lane(self, segments: Sequence[Segment], note: str = "", *, bad: bool = False) -> Markup:
        """One row: its segments, and a note beside the last of them."""
        drawn = [_tick(x, 0) for _, x in self.ticks()]
        for start, end in self.gaps:
            box = {"x": self.x(start), "width": self.x(end) - self.x(start)}
            drawn.append(
                Markup(
                    '<rect class="gapb" x="{x:.2f}%" width="{width:.2f}%" height="100%"/>'
                    '<rect fill="url(#hatch)" x="{x:.2f}%" width="{width:.2f}%" height="100%"/>'
                ).format(**box)
            )
        last = 0.0
        for segment in segments:
            left = self.x(segment.start)
            width = max(self.x(segment.end) - left, THINNEST)
            last = max(last, left + width)
            thin = segment.kind == "idle"
            drawn.append(
                Markup('<rect class="k-{}" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}" rx="{}"/>').format(
                    segment.kind, min(left, 100 - THINNEST), width, *((15, 4, 2) if thin else (10, 14, 3))
                )
            )
        if note and segments:
            drawn.append(self._note(note, self.x(segments[0].start), last, bad=bad))
        return Markup('<svg class="lane" aria-hidden="true">{}</svg>').format(Markup("").join(drawn))

    def _note(self, note: str, first: float, last: float, *, bad: bool) -> Markup:
        """Right of the bar; where there is no room left of it, or at its end within; else nowhere: the row has it."""
        kind, place, side, needs = "bad" if bad else "", last, 7, 2 + _CHAR_WIDTH * len(note)
        if last > _NOTE_TURNS or last + needs > 100:
            side = -7
            if first > needs:
                place = first
            elif last - first > needs:
                kind = "inside"
            else:
                return Markup("")
        return Markup('<text{} x="{:.2f}%" dx="{}" y="21"{}>{}</text>').format(
            Markup(' class="{}"').format(kind) if kind else "",
            place,
            side,
            Markup(' text-anchor="end"') if side < 0 else "",
            note,
        )


def _tick(x: float, top: int) -> Markup:
    return Markup('<line class="tick" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="100%"/>').format(x, top)


def _seconds(at: float) -> str:
    return f"{at:g} s" if at < 60 else f"{at / 60:g} min"
