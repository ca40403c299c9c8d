"""Bars of what each day cost, by model, as SVG. Pure: sizes are per cent and pixels, chosen here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec
from markupsafe import Markup

HEIGHT, TOP, FOOT = 206.0, 10.0, 18.0
COLOURS = ("m-a", "m-b", "m-c", "m-d")
"""Of the models that cost most; the last is that of all others together."""
_LINES = 4
_NICE = (1, 2, 2.5, 4, 5, 8, 10)
_LABELS = 6
_WIDEST, _THINNEST = 8.0, 0.3  # per cent of the chart, pixels
OTHERS = "others"
"""The models that have no colour of their own, together."""


class Day(msgspec.Struct, frozen=True):
    """What each model came to on one day, in dollars or tokens."""

    day: date
    amounts: Mapping[str, float]

    @property
    def whole(self) -> float:
        return sum(self.amounts.values())


class _Frame(msgspec.Struct, frozen=True):
    """What all bars of a chart share. `top` is the amount at its upper edge."""

    days: int
    models: Sequence[str]
    top: float
    said: Callable[[float], str]


def chart(days: Sequence[Day], models: Sequence[str], said: Callable[[float], str], label: str) -> Markup:
    """The axis and the bars. `models` are in the order of `COLOURS`; `said` writes an amount."""
    most = max((each.whole for each in days), default=0.0)
    top = scale(most)
    steps = range(_LINES + 1) if most else (0,)  # an axis of nothing has nothing but its foot
    lines = [(top * step / _LINES, HEIGHT - (HEIGHT - TOP) * step / _LINES) for step in steps]
    axis = Markup("").join(
        Markup('<text x="100%" y="{:.1f}" text-anchor="end">{}</text>').format(y + 4, said(amount))
        for amount, y in lines
    )
    ticks = Markup("").join(
        Markup('<line class="tick" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>').format(y) for _, y in lines
    )
    bars = Markup("").join(_bar(each, place, _Frame(len(days), models, top, said)) for place, each in enumerate(days))
    average = sum(each.whole for each in days) / len(days) if days else 0.0
    line = Markup('<line class="avg" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>').format(_y(average, top))
    return Markup(
        '<div class="chart-w"><svg class="chart yax" aria-hidden="true">{}</svg>'
        '<svg class="chart" role="img" aria-label="{}">{}{}{}</svg></div>'
    ).format(axis, label, ticks, bars, line if average and len(days) > 1 else "")


def scale(most: float) -> float:
    """The top of an axis that holds `most` and has round numbers on it."""
    if most <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(most))
    return next(nice * size for nice in _NICE if nice * size >= most * 0.999999)


def _y(amount: float, top: float) -> float:
    return HEIGHT - (HEIGHT - TOP) * amount / top


def stacked(day: Day, models: Sequence[str]) -> list[float]:
    """What stands on what in a day's bar: the models that have a colour, and `others` for all the rest."""
    amounts = [day.amounts.get(model, 0.0) for model in models]
    if models and models[-1] == OTHERS:
        amounts[-1] = day.whole - sum(amounts[:-1])
    return amounts


def _bar(day: Day, place: int, frame: _Frame) -> Markup:
    step, left = 100 / frame.days, frame.days - 1 - place
    width = min(step * 0.6, _WIDEST)
    x = place * step + (step - width) / 2
    parts, bottom = Markup(""), 0.0
    for colour, amount in zip(COLOURS, stacked(day, frame.models), strict=False):
        height = (HEIGHT - TOP) * amount / frame.top
        if height >= _THINNEST:
            parts += Markup('<rect class="{}" x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}" rx="2"/>').format(
                colour, x, width, HEIGHT - bottom - height, max(1.0, height - 1)
            )
            bottom += height
    name = f"{day.day.day} {day.day:%b}" if left else "today"
    bar = Markup('<g class="bar"><title>{}: {}</title>{}</g>').format(name, frame.said(day.whole), parts)
    every = max(1, round(frame.days / _LABELS))
    if left % every or 0 < left < every / 2:
        return bar
    label = Markup('<text{} x="{:.2f}%" y="{:.0f}" text-anchor="middle">{}</text>')
    return bar + label.format("" if left else Markup(' class="b"'), min(x + width / 2, 98.0), HEIGHT + FOOT, name)
