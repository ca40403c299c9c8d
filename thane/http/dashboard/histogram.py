"""How many events came in each moment of the last quarter of an hour, as a small drawn histogram."""

from __future__ import annotations

from collections import deque
from datetime import tzinfo

from markupsafe import Markup

from thane.http.dashboard import words

BINS, BIN_SECONDS, HEIGHT = 75, 12.0, 38.0
SPAN_SECONDS = BINS * BIN_SECONDS


class Histogram:
    """Counts in bins of twelve seconds. Events may come in any order; old ones fall out as time goes on."""

    def __init__(self) -> None:
        self._bins: deque[tuple[int, list[int]]] = (
            deque()
        )  # (number of the bin since the epoch, [events, errors, dropped])

    def add(self, at: float, *, error: bool = False, dropped: int = 0) -> None:
        """Count one event, or `dropped` events that were not shown. `at` is epoch seconds."""
        number = int(at // BIN_SECONDS)
        counts = next((counts for known, counts in reversed(self._bins) if known == number), None)
        if counts is None:
            counts = [0, 0, 0]
            self._bins.append((number, counts))
        counts[0] += dropped or 1
        counts[1] += error
        counts[2] += dropped
        while len(self._bins) > 2 * BINS:
            self._bins.popleft()

    def per_minute(self, now: float) -> int:
        """Events of the last minute, by whole bins."""
        newest = int(now // BIN_SECONDS)
        return sum(counts[0] for number, counts in self._bins if newest - 5 < number <= newest)

    def draw(self, now: float, zone: tzinfo | None) -> Markup:
        """The element `hist`; the bars are scaled to the fullest bin."""
        first = int(now // BIN_SECONDS) - BINS + 1
        shown = [(number - first, counts) for number, counts in self._bins if number >= first]
        most = max((counts[0] for _, counts in shown), default=1)
        total, errors, dropped = (sum(counts[i] for _, counts in shown) for i in range(3))
        bars: list[Markup] = []
        for number, (events, wrong, lost) in sorted(shown):
            bars.append(_bar("", number, events / most))
            if lost:
                bars.append(_bar("dropb", number, lost / most))
            if wrong:
                bars.append(_bar("k-error", number, max(0.08, wrong / most)))
        label = f"Events of the last 15 minutes: {total}, errors: {errors}" + (
            f", not shown here: {dropped}" if dropped else ""
        )
        return Markup(
            '<div class="hist-w" id="hist"><svg class="hist" role="img" aria-label="{}">{}</svg>'
            '<span class="meta">{}</span><span class="meta end">{}</span></div>'
        ).format(label, Markup("").join(bars), words.of_day(now - SPAN_SECONDS, zone), words.of_day(now, zone))


def _bar(name: str, number: int, share: float) -> Markup:
    height = max(1.5, share * HEIGHT)
    return Markup('<rect{} x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}" rx="1"/>').format(
        Markup(' class="{}"').format(name) if name else "", number * 100 / BINS, 80 / BINS, HEIGHT - height, height
    )
