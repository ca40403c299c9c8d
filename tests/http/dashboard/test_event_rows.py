from __future__ import annotations

from datetime import UTC

from thane.events.event import Event
from thane.http.dashboard.event_query import EventQuery
from thane.http.dashboard.event_rows import event_rows, gap_row


def test_a_row_says_when_what_and_where_and_fetches_its_data_when_opened() -> None:
    event = Event(48723, 1_800_000_000.25, "agent", "request_failed", {"failure": "model", "error": "it broke"})
    row = event_rows([event], lambda _: "Movie night", UTC)
    assert 'id="e-48723"' in row
    assert 'hx-get="/events/48723" hx-trigger="toggle once"' in row
    assert "08:00:00<i>.250</i>" in row
    assert "model: it broke" in row
    assert "is-error" in row
    assert "Movie night" in row


def test_nothing_of_an_event_is_ever_markup() -> None:
    data = {"title": "<img src=x onerror=alert(1)>", "profile": '"><hx-partial hx-target="#ask">', "channel": "api"}
    row = event_rows([Event(1, 0.0, "agent", "request_start", data)], lambda _: "<b>bold</b>", UTC)
    assert "<img" not in row
    assert "<hx-partial" not in row
    assert "<b>" not in row


def test_a_gap_says_its_range_and_can_be_replayed_with_the_same_filters() -> None:
    row = gap_row(312, 48397, 48708, EventQuery(kind="tool_done"))
    assert "312 events skipped" in row
    assert 'hx-get="/events/rows?after=48396&amp;before=48709&amp;kind=tool_done"' in row
