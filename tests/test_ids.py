"""Identifiers: ascending, and none twice, whatever the clock does."""

from __future__ import annotations

import random

from thane.ids import Ids


class StubbornClock:
    """Stands still, then goes back."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


def test_ids_of_runs_and_conversations_ascend_and_none_comes_twice() -> None:
    clock = StubbornClock()
    ids = Ids(random.Random(1), clock)
    made: list[str] = []
    for step in (0.0, 0.001, -3600.0, 3600.0):
        clock.now += step
        made += [ids.run() for _ in range(1000)]
    assert sorted(set(made)) == made
    assert {18} == {len(each) for each in made}
    assert made[-1].removeprefix("r_") < ids.conversation().removeprefix("c_")


def test_two_programs_that_start_at_once_do_not_make_the_same_ids() -> None:
    clock = StubbornClock()
    first, second = Ids(random.Random(1), clock), Ids(random.Random(2), clock)
    assert first.conversation() != second.conversation()
