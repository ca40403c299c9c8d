from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.loops.pace import Pace, go_duration, jittered, next_sleep

STEADY = Pace(jitter=0.0)


def test_the_defaults_are_those_of_the_reference() -> None:
    pace = Pace()
    pace.check()
    assert (30.0, 300.0, 60.0, 0.2) == (
        pace.sleep_min_seconds,
        pace.sleep_max_seconds,
        pace.sleep_default_seconds,
        pace.jitter,
    )


@pytest.mark.parametrize(
    ("pace", "named"),
    [
        (Pace(sleep_min_seconds=0), "sleep_min_seconds"),
        (Pace(sleep_min_seconds=10, sleep_max_seconds=9), "sleep_max_seconds"),
        (Pace(sleep_default_seconds=0), "sleep_default_seconds"),
        (Pace(jitter=1.1), "jitter"),
        (Pace(jitter=-0.1), "jitter"),
        (Pace(max_iterations=-1), "max_iterations"),
        (Pace(max_duration_seconds=-1), "max_duration_seconds"),
    ],
)
def test_a_bound_that_makes_no_sense_is_named(pace: Pace, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        pace.check()


@pytest.mark.parametrize(("errors", "expected"), [(0, 60), (1, 120), (2, 240), (3, 300), (4, 300), (5000, 300)])
def test_each_consecutive_error_doubles_the_sleep_up_to_the_longest(errors: int, expected: float) -> None:
    assert expected == next_sleep(STEADY, errors, None, random.Random(0))


def test_a_requested_sleep_replaces_the_default_within_the_bounds() -> None:
    assert 45 == next_sleep(STEADY, 0, 45, random.Random(0))
    assert 30 == next_sleep(STEADY, 0, 1, random.Random(0))
    assert 300 == next_sleep(STEADY, 0, 4000, random.Random(0))


def test_no_jitter_leaves_the_time_and_the_random_source_alone() -> None:
    source = random.Random(1)
    before = source.getstate()
    assert 10 == jittered(10, 0.0, source)
    assert before == source.getstate()


@given(st.integers(0, 50), st.none() | st.floats(0, 1e6), st.floats(0, 1), st.integers(0, 1000), st.floats(0.001, 1000))
def test_every_sleep_is_within_the_bounds(
    errors: int, requested: float | None, jitter: float, seed: int, shortest: float
) -> None:
    pace = Pace(sleep_min_seconds=shortest, sleep_max_seconds=shortest * 3, jitter=jitter)
    assert shortest <= next_sleep(pace, errors, requested, random.Random(seed)) <= shortest * 3


@given(st.floats(0.1, 1000), st.floats(0, 1), st.integers(0, 1000))
def test_jitter_spreads_by_its_fraction_at_most(seconds: float, jitter: float, seed: int) -> None:
    assert abs(jittered(seconds, jitter, random.Random(seed)) - seconds) <= seconds * jitter + 1e-9


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (62.3, "1m2.3s"),
        (60, "1m0s"),
        (3605, "1h0m5s"),
        (12.3456, "12.346s"),
        (59.9999, "1m0s"),
    ],
)
def test_durations_read_as_go_writes_them(seconds: float, expected: str) -> None:
    assert expected == go_duration(seconds)
