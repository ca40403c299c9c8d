from __future__ import annotations

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from thane.http.dashboard.histogram import BIN_SECONDS, BINS, SPAN_SECONDS, Histogram

NOW = 1_800_000_000.0


def test_what_came_is_counted_with_errors_and_gaps() -> None:
    histogram = Histogram()
    histogram.add(NOW - 60)
    histogram.add(NOW - 60, error=True)
    histogram.add(NOW, dropped=312)
    drawn = histogram.draw(NOW, UTC)
    assert 'aria-label="Events of the last 15 minutes: 314, errors: 1, not shown here: 312"' in drawn
    assert "k-error" in drawn
    assert "dropb" in drawn
    assert '<span class="meta">07:45</span><span class="meta end">08:00</span>' in drawn


def test_what_is_older_than_a_quarter_of_an_hour_falls_out() -> None:
    histogram = Histogram()
    histogram.add(NOW)
    assert "minutes: 1," in histogram.draw(NOW, UTC)
    assert "minutes: 0," in histogram.draw(NOW + SPAN_SECONDS, UTC)


def test_the_rate_is_that_of_the_last_minute() -> None:
    histogram = Histogram()
    for second in range(120):
        histogram.add(NOW - second)
    assert 48 <= histogram.per_minute(NOW) <= 61


@given(st.lists(st.floats(0, 10 * SPAN_SECONDS)))
def test_it_stays_small_and_inside_its_frame(ages: list[float]) -> None:
    histogram = Histogram()
    for age in ages:
        histogram.add(NOW - age)
    drawn = histogram.draw(NOW, UTC)
    assert drawn.count("<rect") <= BINS
    for piece in drawn.split(' x="')[1:]:
        assert 0 <= float(piece.partition("%")[0]) < 100


def test_a_long_life_does_not_make_it_grow() -> None:
    histogram = Histogram()
    for number in range(10 * BINS):
        histogram.add(NOW + number * BIN_SECONDS)
    assert histogram.draw(NOW + 10 * SPAN_SECONDS, UTC).count("<rect") <= BINS
