"""Where a waterfall's bars stand, and which waits it collapses."""

from __future__ import annotations

import re

import pytest

from thane.http.dashboard.waterfall import GAP_WIDTH, MOST_GAPS, THINNEST, Axis, Segment, gaps


def test_without_gaps_a_place_is_its_share_of_the_whole() -> None:
    axis = Axis(8.0)
    assert [0.0, 25.0, 100.0] == [axis.x(at) for at in (0.0, 2.0, 8.0)]


def test_a_long_wait_is_a_band_of_fixed_width_and_the_rest_shares_what_is_left() -> None:
    axis = Axis(102.0, [(1.0, 101.0)])
    assert [47.5, 52.5, 100.0] == [pytest.approx(axis.x(at)) for at in (1.0, 101.0, 102.0)]
    assert GAP_WIDTH == pytest.approx(axis.x(101.0) - axis.x(1.0))


@pytest.mark.parametrize(
    ("segments", "found"),
    [
        ([Segment(0, 30, "tool", waits=True)], [(0.25, 29.75)]),
        ([Segment(0, 2.4, "tool", waits=True)], []),
        ([Segment(0, 30, "model")], []),
        ([Segment(0, 30, "tool", waits=True), Segment(10, 20, "model")], [(0.25, 9.75), (20.25, 29.75)]),
        ([Segment(0, 30, "tool", waits=True), Segment(0, 30, "model")], []),
    ],
)
def test_only_long_stretches_of_nothing_but_waiting_are_collapsed(
    segments: list[Segment], found: list[tuple[float, float]]
) -> None:
    assert tuple(found) == gaps(segments, 30.0 if segments[0].end == 30 else segments[0].end)


def test_only_the_longest_waits_are_collapsed_so_that_work_keeps_its_room() -> None:
    segments = [Segment(10 * n, 10 * n + 5 + n / 10, "tool", waits=True) for n in range(20)]
    assert MOST_GAPS == len(gaps(segments, 200.0))


def test_a_short_span_can_still_be_seen_and_nothing_leaves_the_lane() -> None:
    drawn = Axis(1000.0).lane([Segment(1000.0, 1000.0, "tool")])
    (x, width) = re.findall(r'class="k-tool" x="([\d.]+)%" width="([\d.]+)%"', drawn)[0]
    assert THINNEST == float(width)
    assert float(x) + float(width) <= 100.0


def test_a_note_stands_where_there_is_room_and_is_never_markup() -> None:
    axis = Axis(10.0)
    assert 'x="20.00%" dx="7"' in axis.lane([Segment(0, 2, "model")], "20 tok/s")
    assert 'x="50.00%" dx="-7" y="21" text-anchor="end"' in axis.lane([Segment(5, 9, "model")], "20 tok/s")
    assert 'class="inside" x="100.00%" dx="-7"' in axis.lane([Segment(0, 10, "model")], "20 tok/s")
    assert "of the model" not in axis.lane([Segment(1, 9, "error")], "a long story of the model " * 9)
    assert "&lt;b&gt;" in axis.lane([Segment(0, 2, "error")], "<b>", bad=True)


@pytest.mark.parametrize("total", [0.0, 0.004, 0.7, 9.62, 70.0, 4000.0, 200_000.0])
def test_the_axis_has_a_handful_of_lines(total: float) -> None:
    assert 1 <= len(Axis(total).ticks()) <= 10


def test_no_line_of_the_axis_stands_in_a_gap() -> None:
    axis = Axis(40.0, [(3.0, 35.0)])
    assert not [at for at, _ in axis.ticks() if 3.0 < at < 35.0]
    assert "⋯ 32.0 s" in axis.draw()
