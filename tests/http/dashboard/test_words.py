from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.http.dashboard import words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "0 s"), (12.9, "12 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86400 * 3, "3 d")],
)
def test_age(seconds: float, expected: str) -> None:
    assert words.age(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, "0.0 s"), (4.19, "4.1 s"), (65, "1 min 05 s"), (3725, "1 h 02 min")]
)
def test_elapsed(seconds: float, expected: str) -> None:
    assert words.elapsed(seconds) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(4.19, "4.1 s"), (16.3, "16 s"), (125, "2 min")])
def test_brief(seconds: float, expected: str) -> None:
    assert words.brief(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.084, "84 ms"), (0.9996, "1.0 s"), (1.28, "1.3 s"), (59.97, "59.9 s"), (125.0, "2 min 05 s")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0"), (4112, "4,112"), (205_800, "205.8 k"), (999_949, "999.9 k"), (1_200_000, "1.2 M")],
)
def test_count(number: int, expected: str) -> None:
    assert words.count(number) == expected


def test_ordinal() -> None:
    assert [words.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th")
    ]


def test_plural() -> None:
    assert (words.plural(1, "step"), words.plural(2, "step"), words.plural(0, "body", "bodies")) == (
        "1 step",
        "2 steps",
        "0 bodies",
    )


def test_spaced() -> None:
    assert words.spaced(48723) == "48\N{NARROW NO-BREAK SPACE}723"


def test_moment_reads_rfc_3339_and_nothing_else() -> None:
    assert words.moment("2027-01-15T08:00:00.5Z") == 1_800_000_000.5
    assert words.moment("2027-01-15T08:00:00") == 1_800_000_000.0
    assert words.moment(None) is None
    assert words.moment("soon") is None


def test_the_time_of_day_is_that_of_the_house() -> None:
    assert words.of_day(1_800_000_000.0, ZoneInfo("Europe/Amsterdam")) == "09:00"


def test_a_mark_becomes_an_element_with_the_words_of_the_moment() -> None:
    text = f"waiting · {words.age_of(100.0)}, {words.running_since(99.5)}, {words.until(124.0)}"
    assert words.settle(text, 120.0) == (
        'waiting · <time data-age="100.00">20 s</time>, <time data-run="99.50">20.5 s</time>, '
        '<time data-until="124.00">4 s</time>'
    )
    assert words.settle(words.briefly_since(100.0), 120.0, "tspan") == '<tspan data-brief="100.00">20 s</tspan>'


def test_a_time_that_lies_ahead_or_behind_is_never_negative() -> None:
    assert words.settle(words.age_of(100.0) + words.until(80.0), 90.0) == (
        '<time data-age="100.00">0 s</time><time data-until="80.00">0 s</time>'
    )


def test_the_same_state_gives_the_same_text_however_late_it_is_drawn() -> None:
    assert words.age_of(100.0) == words.age_of(100.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"waiting · {words.age_of(1.0)}", "waiting"),
        (f"stopped · {words.age_of(1.0)} ago", "stopped"),
        (f"error · 3rd · retry in {words.until(1.0)}", "error · 3rd"),
        (words.running_since(1.0), ""),
        ("queued · 1st", "queued · 1st"),
    ],
)
def test_labels_do_without_ticking_times(text: str, expected: str) -> None:
    assert words.unmarked(text) == expected


@given(st.text())
def test_what_came_from_outside_can_hold_no_mark(text: str) -> None:
    assert words.settle(words.clean(text), 0.0) == words.clean(text)


@pytest.mark.parametrize(
    ("dollars", "said"),
    [(0, "$0.00"), (1204.5, "$1,204.50"), (0.39, "$0.39"), (0.0194, "$0.019"), (0.0042, "$0.0042"), (1e-7, "<$0.0001")],
)
def test_small_money_is_not_said_to_be_none(dollars: float, said: str) -> None:
    assert said == words.money(dollars)
