"""A crashing branch is restarted with back-off; cancellation and a normal end are left alone."""

from __future__ import annotations

import random
from itertools import pairwise

import trio
from trio.testing import MockClock

from thane.backoff import pause
from thane.config import settings
from thane.supervisor import Supervisor
from thane.testing.events import RecordedEvents


def supervisor(events: RecordedEvents) -> Supervisor:
    limits = settings.Supervisor(backoff_initial_seconds=1, backoff_max_seconds=8, backoff_reset_seconds=100)
    return Supervisor(limits, events, random.Random(1))


async def test_a_crash_is_reported_and_the_branch_runs_again(autojump_clock: MockClock) -> None:
    events, starts = RecordedEvents(), list[float]()

    async def crash() -> None:
        starts.append(trio.current_time())
        raise RuntimeError("boom")

    with trio.move_on_after(30):
        await supervisor(events).run("listener", crash)
    pauses = [b - a for a, b in pairwise(starts)]
    assert pauses[:4] == sorted(pauses[:4])
    assert max(pauses) <= 8
    assert ["branch_crashed", "branch_restarted"] == events.kinds()[:2]
    assert events.seen[0][2]["error"] == "RuntimeError: boom"


async def test_a_branch_that_ran_long_starts_again_from_the_first_pause(autojump_clock: MockClock) -> None:
    starts = list[float]()

    async def crash_late() -> None:
        starts.append(trio.current_time())
        await trio.sleep(200)
        raise RuntimeError("boom")

    with trio.move_on_after(1000):
        await supervisor(RecordedEvents()).run("listener", crash_late)
    assert all(b - a <= 201 for a, b in pairwise(starts))


async def test_a_branch_that_returns_is_not_run_again() -> None:
    runs = 0

    async def once() -> None:
        nonlocal runs
        runs += 1

    await supervisor(RecordedEvents()).run("listener", once)
    assert runs == 1


async def test_a_group_of_errors_of_one_branch_does_not_escape(autojump_clock: MockClock) -> None:
    events = RecordedEvents()

    async def fail() -> None:
        raise ValueError("inside")

    async def nursery_fails() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)

    with trio.move_on_after(3):
        await supervisor(events).run("watch", nursery_fails)
    assert "branch_crashed" in events.kinds()


def test_a_pause_doubles_up_to_the_maximum() -> None:
    pauses = [pause(n, initial=1, maximum=60, source=random.Random(1)) for n in range(1, 9)]
    assert [1, 2, 4, 8, 16, 32, 60, 60] == pauses


def test_a_pause_after_very_many_failures_is_the_maximum() -> None:
    assert pause(100_000, initial=0.5, maximum=60, source=random.Random(1)) == 60
