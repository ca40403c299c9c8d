from __future__ import annotations

from datetime import UTC

from thane.config.settings import Events
from thane.events.bus import EventBus
from thane.http.dashboard.recent import Cause, Recent, Tokens
from thane.testing.clock import TrioClock


def answered(bus: EventBus, tokens_in: int, tokens_out: int, model: str = "qwen3:4b") -> None:
    tokens = {"total_tokens_in": tokens_in, "total_tokens_out": tokens_out}
    bus.publish("agent", "request_complete", run_id="r", model=model, **tokens)


async def test_it_knows_who_changed_a_device_and_from_what() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    bus.publish("agent", "request_start", run_id="r_1", conversation_id="c_1", title="Movie night")
    bus.publish(
        *("home", "state_changed"),
        entity_id="light.a",
        old_state="on",
        new_state="off",
        run_id="r_1",
        old_attributes={},
    )
    await recent.read(bus, clock.time())
    change = recent.changes["light.a"]
    assert (change.old_state, change.new_state, change.run_id) == ("on", "off", "r_1")
    assert recent.cause("r_1") == Cause("c_1", "Movie night")
    assert recent.title("c_1") == "Movie night"
    assert recent.title("c_2") == ""


async def test_nothing_is_counted_twice() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    answered(bus, 100, 10)
    await recent.read(bus, clock.time())
    await recent.read(bus, clock.time())
    answered(bus, 1, 2)
    await recent.read(bus, clock.time())
    assert recent.tokens == Tokens(101, 12)


async def test_a_long_log_is_read_whole() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    for _ in range(2500):
        answered(bus, 1, 1)
    await recent.read(bus, clock.time())
    assert recent.tokens == Tokens(2500, 2500)
    assert recent.seq == bus.last_seq


async def test_tokens_are_those_of_today() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    answered(bus, 100, 10)
    await recent.read(bus, clock.time())
    tomorrow = clock.time() + 86_400
    await recent.read(bus, tomorrow)
    assert recent.tokens == Tokens()


async def test_yesterday_s_events_are_not_today_s_tokens() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    answered(bus, 100, 10)
    await recent.read(bus, clock.time() + 86_400)
    assert recent.tokens == Tokens()


async def test_only_so_many_conversations_are_remembered() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    for number in range(600):
        bus.publish("agent", "request_start", run_id=f"r_{number}", conversation_id=f"c_{number}", title="x")
    await recent.read(bus, clock.time())
    assert recent.cause("r_0") is None
    assert recent.cause("r_599") is not None


async def test_the_embedded_brain_is_no_model_whose_tokens_count() -> None:
    clock = TrioClock()
    bus, recent = EventBus(Events(), clock), Recent(UTC)
    answered(bus, 5, 6)
    answered(bus, 50, 10, "embedded")
    await recent.read(bus, clock.time())
    assert Tokens(5, 6) == recent.tokens
