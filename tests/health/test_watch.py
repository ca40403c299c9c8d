"""Dependencies are probed, flaps are damped, and the report tells the truth."""

from __future__ import annotations

import random
from itertools import pairwise

import trio
from trio.testing import MockClock

from thane.config import settings
from thane.health.watch import Health
from thane.testing.clock import TrioClock
from thane.testing.events import RecordedEvents

LIMITS = settings.Health(interval_seconds=30, retry_initial_seconds=1, timeout_seconds=5, failures=2)


class Probe:
    """Answers by a script of booleans; the last one stays. `at` are the times of the probes."""

    def __init__(self, *script: bool) -> None:
        self.script = list(script)
        self.at: list[float] = []

    async def __call__(self) -> None:
        self.at.append(round(trio.current_time()))
        good = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if not good:
            raise ConnectionError("connection refused")


def health(events: RecordedEvents) -> Health:
    return Health(LIMITS, TrioClock(), events, random.Random(1))


async def run(health: Health, probe: Probe, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await health.watch("ollama", probe)


async def test_a_dependency_that_answers_is_ready(autojump_clock: MockClock) -> None:
    events = RecordedEvents()
    subject = health(events)
    await run(subject, Probe(True), 100)
    report = subject.report()
    assert report.status == "healthy"
    assert report.dependencies["ollama"].ready
    assert ["dependency_ready"] == events.kinds()


async def test_one_failed_probe_of_a_ready_dependency_changes_nothing(autojump_clock: MockClock) -> None:
    events = RecordedEvents()
    subject = health(events)
    await run(subject, Probe(True, False, True), 100)
    assert subject.report().status == "healthy"
    assert ["dependency_ready"] == events.kinds()


async def test_failures_in_a_row_make_it_down_and_one_success_ready_again(autojump_clock: MockClock) -> None:
    events = RecordedEvents()
    subject = health(events)
    await run(subject, Probe(True, False, False, False, True), 100)
    assert ["dependency_ready", "dependency_down", "dependency_ready"] == events.kinds()
    assert events.seen[1][2]["error"] == "connection refused"


async def test_a_dependency_that_never_answered_is_down_at_once(autojump_clock: MockClock) -> None:
    events = RecordedEvents()
    subject = health(events)
    await run(subject, Probe(False), 0.5)
    assert subject.report().status == "degraded"
    assert subject.report().dependencies["ollama"].last_error == "connection refused"
    assert ["dependency_down"] == events.kinds()


async def test_pauses_grow_while_it_is_down_up_to_the_interval(autojump_clock: MockClock) -> None:
    probe = Probe(False)
    await run(health(RecordedEvents()), probe, 200)
    pauses = [b - a for a, b in pairwise(probe.at)]
    assert pauses[:3] == sorted(pauses[:3])
    assert max(pauses) <= 30
    assert pauses[0] <= 1


async def test_a_probe_that_hangs_is_a_failure(autojump_clock: MockClock) -> None:
    subject = health(RecordedEvents())
    with trio.move_on_after(6):
        await subject.watch("ollama", trio.sleep_forever)
    assert subject.report().dependencies["ollama"].last_error == "it did not answer within 5 s"


async def test_draining_is_said_before_anything_else(autojump_clock: MockClock) -> None:
    subject = health(RecordedEvents())
    subject.draining = True
    assert subject.report().status == "draining"


async def test_a_check_probes_at_once_and_returns_when_it_has(autojump_clock: MockClock) -> None:
    subject, probe = health(RecordedEvents()), Probe(True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subject.watch, "ollama", probe)
        await trio.sleep(3)
        assert await subject.check("ollama")
        assert [0, 3] == probe.at
        assert not await subject.check("lab")
        assert not subject.suspect("lab")
        assert subject.suspect("ollama")
        await trio.sleep(1)
        assert [0, 3, 3] == probe.at
        await trio.sleep(40)
        assert [0, 3, 3, 33] == probe.at, "then as often as before"
        nursery.cancel_scope.cancel()
