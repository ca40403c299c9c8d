from __future__ import annotations

from tests.loops.doubles import Events
from thane.config.routing import Routing
from thane.models.provider import ModelError
from thane.router.circuit import Circuits

KEY = ("ollama", "qwen3")
BUSY = ModelError("busy", dependency="ollama", status=503)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock, events: Events) -> Circuits:
    circuits = Circuits(Routing(circuit_failures=3, circuit_cooling_seconds=30), events, clock=clock)
    for _ in range(3):
        circuits.failed(KEY, BUSY)
    return circuits


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    circuits, events = Circuits(Routing(circuit_failures=3), Events(), clock=Clock()), Events()
    for _ in range(2):
        circuits.failed(KEY, BUSY)
    circuits.succeeded(KEY)
    for _ in range(2):
        circuits.failed(KEY, BUSY)
    assert circuits.allows(KEY)
    circuits = broken(Clock(), events)
    assert not circuits.allows(KEY)
    assert circuits.allows(("ollama", "another"))
    assert {KEY: "it failed 3 times in a row and is tried again in 30 s"} == circuits.resting()
    (opened,) = events.of("circuit_opened")
    assert ("qwen3", 3, 30_000, "busy") == (*(opened[name] for name in ("model", "failures", "retry_in_ms", "error")),)


def test_one_call_probes_it_after_the_cooling_and_closes_it() -> None:
    clock, events = Clock(), Events()
    circuits = broken(clock, events)
    clock.now += 30
    assert ["half_open"] == [status.state for status in circuits.statuses()]
    assert circuits.allows(KEY)
    circuits.began(KEY)
    assert not circuits.allows(KEY)  # one is enough to find out
    circuits.succeeded(KEY)
    assert circuits.allows(KEY)
    assert ((), ["circuit_opened", "circuit_closed"]) == (circuits.statuses(), events.kinds())


def test_a_probe_that_fails_doubles_the_cooling_and_one_that_is_cancelled_tells_nothing() -> None:
    clock, events = Clock(), Events()
    circuits = broken(clock, events)
    clock.now += 30
    circuits.began(KEY)
    circuits.abandoned(KEY)
    assert circuits.allows(KEY)
    circuits.began(KEY)
    circuits.failed(KEY, BUSY)
    assert [("open", 4, 60.0)] == [(each.state, each.failures, each.retry_in) for each in circuits.statuses()]


def test_a_late_failure_of_an_earlier_call_does_not_lengthen_it() -> None:
    circuits = broken(Clock(), Events())
    circuits.failed(KEY, BUSY)
    assert [30.0] == [status.retry_in for status in circuits.statuses()]


def test_what_was_the_requests_own_fault_does_not_count() -> None:
    circuits = Circuits(Routing(circuit_failures=1), Events(), clock=Clock())
    circuits.failed(KEY, ModelError("no such option", dependency="ollama", status=400))
    assert circuits.allows(KEY)


def test_a_provider_that_is_back_is_tried_at_once() -> None:
    circuits = broken(Clock(), Events())
    circuits.provider_is_back("another")
    assert not circuits.allows(KEY)
    circuits.provider_is_back("ollama")
    assert circuits.allows(KEY)


OUT = ModelError("Is it running?", dependency="ollama", whole_server=True)


def test_what_fails_for_every_model_of_a_provider_opens_one_circuit_for_all_of_them() -> None:
    clock, events, suspected = Clock(), Events(), list[str]()
    circuits = Circuits(Routing(circuit_failures=2), events, clock=clock, suspect=suspected.append)
    circuits.failed(("ollama", "a"), OUT)
    assert circuits.allows(("ollama", "b"))
    circuits.failed(("ollama", "b"), OUT)
    assert ["ollama"] == suspected
    assert not circuits.allows(("ollama", "c"))
    assert circuits.allows(("lab", "a"))
    why = "nothing of its provider ollama can be used: it failed 2 times in a row and is tried again in 30 s"
    assert why == circuits.refusal(("ollama", "a"))
    clock.now += 30
    circuits.began(("ollama", "a"))
    assert not circuits.allows(("ollama", "b")), "one call of one model is enough to find out"
    circuits.succeeded(("ollama", "a"))
    assert circuits.allows(("ollama", "b"))
    assert ((), ["circuit_opened", "circuit_closed"]) == (circuits.statuses(), events.kinds())


def test_a_provider_that_answers_with_an_error_can_be_reached() -> None:
    clock = Clock()
    circuits = Circuits(Routing(circuit_failures=2), Events(), clock=clock)
    for _ in range(2):
        circuits.failed(KEY, OUT)
    clock.now += 30
    circuits.began(KEY)
    circuits.failed(KEY, BUSY)
    assert [("qwen3", "closed", 1)] == [(each.model, each.state, each.failures) for each in circuits.statuses()]
    assert circuits.allows(KEY)


def test_a_call_that_is_cancelled_frees_the_probe_of_the_provider_too() -> None:
    clock = Clock()
    circuits = Circuits(Routing(circuit_failures=1), Events(), clock=clock)
    circuits.failed(KEY, OUT)
    clock.now += 30
    circuits.began(KEY)
    circuits.abandoned(KEY)
    assert circuits.allows(("ollama", "another"))
