from __future__ import annotations

from datetime import date

from thane.http.dashboard.cost_chart import Day, chart, scale


def _said(number: float) -> str:
    return f"{number:.0f}"


def test_an_axis_ends_at_a_round_number_above_the_most() -> None:
    assert [1.0, 2.0, 2.5, 40.0, 100.0] == [scale(most) for most in (0.0, 1.01, 2.4, 33, 81)]


def test_the_axis_of_nothing_is_its_foot_alone() -> None:
    days = (Day(date(2026, 11, 27), {}), Day(date(2026, 11, 28), {}))
    drawn = chart(days, (), _said, "nothing")
    assert 1 == drawn.count('text-anchor="end"')
    assert 5 == chart((*days, Day(date(2026, 11, 29), {"a": 3})), ("a",), _said, "some").count('text-anchor="end"')
