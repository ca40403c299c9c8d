from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from werkzeug.datastructures import MultiDict

from thane.config.settings import Events
from thane.errors import ClientError
from thane.events.bus import EventBus
from thane.events.event import Event
from thane.events.filter import EventFilter
from thane.http.dashboard.event_query import EventQuery, kinds_by_source, newest, select, select_latest
from thane.testing.clock import TrioClock


def read(*pairs: tuple[str, str]) -> EventQuery:
    return EventQuery.read(MultiDict(pairs))


def make_bus(count: int) -> EventBus:
    bus = EventBus(Events(), TrioClock())
    for number in range(count):
        bus.publish("agent", "request_start", title=f"Turn {number}", conversation_id=f"c_{number % 2}")
    return bus


def test_an_address_without_filters_selects_everything() -> None:
    assert read() == read(("kind", ""), ("q", " ")) == EventQuery()


def test_sources_may_be_repeated_or_listed() -> None:
    assert read(("source", "home"), ("source", "agent")) == read(("source", "agent,home"))


def test_unknown_sources_and_kinds_are_refused_by_name() -> None:
    with pytest.raises(ClientError, match="“router”"):
        read(("source", "router"))
    with pytest.raises(ClientError, match="“surprise”"):
        read(("kind", "surprise"))


def test_a_query_can_be_written_back() -> None:
    query = read(("source", "agent"), ("kind", "tool_done"), ("conversation", "a&b"), ("loop", "l1"), ("q", "Lamp"))
    pairs = [(name, value) for name, values in parse_qs(query.query()).items() for value in values]
    assert EventQuery.read(MultiDict(pairs)) == query
    assert query.query(after=3).startswith("after=3&")


def test_errors_are_a_filter_of_their_own() -> None:
    assert {"request_failed", "loop_error", "dependency_down"} <= read(("kind", "errors")).filter.kinds


def test_the_log_understands_what_a_query_asks_it() -> None:
    query = read(("source", "loop"), ("kind", "errors"), ("conversation", "a&b"), ("loop", "l1"))
    understood = EventFilter.from_query(parse_qs(query.log_query(10)))
    for kind, conversation, fits in (
        ("loop_error", "a&b", True),
        ("loop_error", "a", False),
        ("loop_started", "a&b", False),
    ):
        event = Event(1, 0.0, "loop", kind, {"loop_id": "l1", "conversation_id": conversation})
        assert understood.matches(event) == query.filter.matches(event) == fits


async def test_all_between_two_numbers_is_selected_in_pages() -> None:
    bus = make_bus(2500)
    assert [event.seq for event in await select(bus, EventQuery(), 10, 2400)] == list(range(11, 2400))
    assert len(await select(bus, EventQuery(), 0)) == 2500
    assert await select(bus, EventQuery(), 2500) == []


async def test_text_is_looked_for_in_summary_kind_and_json() -> None:
    bus = make_bus(20)
    assert [event.seq for event in await select(bus, read(("q", "TURN 7")), 0)] == [8]
    assert len(await select(bus, read(("q", "request_st")), 0)) == 20
    assert len(await select(bus, read(("q", '"c_1"')), 0)) == 10


async def test_the_latest_are_found_from_the_end() -> None:
    bus = make_bus(20)
    assert [event.seq for event in await select_latest(bus, read(("conversation", "c_0")), 3)] == [15, 17, 19]


async def test_only_so_many_rows_are_shown() -> None:
    events = await select(make_bus(5), EventQuery(), 0)
    shown, earlier = newest(events, 2)
    assert ([event.seq for event in shown], earlier) == ([4, 5], 3)
    assert newest(events, 9) == (events, 0)


def test_kinds_are_those_of_the_chosen_sources() -> None:
    assert list(kinds_by_source(("home",))) == ["home"]
    assert list(kinds_by_source(())) == ["agent", "loop", "home", "health", "system"]
