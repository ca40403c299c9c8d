"""What a filter selects, and how it is read from a request."""

from __future__ import annotations

import pytest

from thane.errors import ClientError
from thane.events.event import KINDS, Event
from thane.events.filter import EVERYTHING, SOURCES, EventFilter

EVENT = Event(1, 0.0, "loop", "loop_error", {"loop_id": "l_1", "conversation_id": "c_1", "run_id": "r_1"})


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (EVERYTHING, True),
        (EventFilter(sources=frozenset({"loop", "agent"})), True),
        (EventFilter(sources=frozenset({"agent"})), False),
        (EventFilter(kinds=frozenset({"loop_error"})), True),
        (EventFilter(kinds=frozenset({"loop_started"})), False),
        (EventFilter(loop_id="l_1"), True),
        (EventFilter(loop_id="l"), False),
        (EventFilter(loop_id=frozenset({"l_1", "l_2"})), True),
        (EventFilter(conversation_id="c_1", run_id="r_1"), True),
        (EventFilter(conversation_id="c_2"), False),
        (EventFilter(run_id=frozenset({"r_2"})), False),
        (EventFilter(sources=frozenset({"loop"}), loop_id="l_2"), False),
    ],
)
def test_every_part_must_fit(wanted: EventFilter, matches: bool) -> None:
    assert matches is wanted.matches(EVENT)


@pytest.mark.parametrize("wanted", [EventFilter(loop_id="l_1"), EventFilter(run_id=frozenset({"r_1"}))])
def test_an_event_without_the_id_does_not_match(wanted: EventFilter) -> None:
    assert not wanted.matches(Event(1, 0.0, "system", "stopped", {}))


def test_a_query_may_repeat_and_use_commas() -> None:
    query = {"source": ["agent,loop", "home"], "kinds": ["tool_call", " tool_done "], "loop": ["l_1"], "cache": ["7"]}
    expected = EventFilter(
        sources=frozenset({"agent", "loop", "home"}),
        kinds=frozenset({"tool_call", "tool_done"}),
        loop_id=frozenset({"l_1"}),
    )
    assert expected == EventFilter.from_query(query)


@pytest.mark.parametrize("query", [{}, {"source": ""}, {"kinds": [","]}, {"run_id": None}])
def test_an_empty_query_wants_everything(query: dict[str, str | None]) -> None:
    assert EVERYTHING == EventFilter.from_query(query)


@pytest.mark.parametrize(
    ("query", "name", "valid"),
    [
        ({"source": "agent,lop"}, "source: 'lop'", SOURCES),
        ({"kind": "tool"}, "kind: 'tool'", [kind for kinds in KINDS.values() for kind in kinds]),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(query: dict[str, str], name: str, valid: list[str]) -> None:
    with pytest.raises(ClientError) as refused:
        EventFilter.from_query(query)
    assert f"{name} is not one of {', '.join(valid)}" == refused.value.message
    assert 400 == refused.value.status
