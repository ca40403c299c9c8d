from __future__ import annotations

import pytest

from thane.events.event import KINDS, Event, Source
from thane.events.filter import SOURCES
from thane.http.dashboard.event_words import ERRORS, LONGEST, Line, line


def event(kind: str, **data: object) -> Event:
    source: Source = next(source for source in SOURCES if kind in KINDS[source])
    return Event(1, 0.0, source, kind, data)


@pytest.mark.parametrize("kind", [kind for kinds in KINDS.values() for kind in kinds])
def test_every_kind_is_said_in_words_even_without_its_fields(kind: str) -> None:
    assert "{" not in line(event(kind)).text


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    assert line(Event(1, 0.0, "system", "surprise", {"a": 1})) == Line('{"a": 1}')


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (event("request_start", title="Movie night", channel="api", profile="p"), Line("“Movie night”, api, p")),
        (
            event("llm_call", model="qwen3", iter=2, est_tokens=12_300, messages=6, tools=7),
            Line("qwen3, step 2, 12.3 k tokens, 6 messages, 7 tools"),
        ),
        (
            event("llm_response", model="qwen3", tokens_in=3412, tokens_out=47, tool_calls=2, duration_ms=1280),
            Line("qwen3, 3,412 in, 47 out, 2 tool calls, in 1.3 s"),
        ),
        (
            event("tool_call", tool="light.turn_on", args={"name": "Lamp", "pct": 35}),
            Line("light.turn_on name=Lamp pct=35"),
        ),
        (event("tool_done", tool="t", ok=True, result="ok", duration_ms=84), Line("t in 84 ms, ok", "done")),
        (
            event("tool_done", tool="t", ok=False, error="no answer", duration_ms=84),
            Line("t in 84 ms, no answer", "error"),
        ),
        (event("request_failed", failure="model", error="it broke"), Line("model: it broke", "error")),
        (event("request_cancelled", by="client", elapsed_ms=812), Line("by client, after 812 ms", "cancelled")),
        (event("state_changed", name="Lamp", old_state="on", new_state="off"), Line("Lamp: on to off")),
        (
            event(
                *("state_changed",),
                entity_id="light.a",
                old_state="on",
                new_state="on",
                old_attributes={"brightness": 10, "mode": "x"},
                new_attributes={"brightness": 20, "mode": "x"},
            ),
            Line("light.a: brightness 10 to 20"),
        ),
        (
            event("service_called", domain="light", service="turn_on", entity_ids=["light.a"], data={"pct": 35}),
            Line("light.turn_on light.a pct=35"),
        ),
        (
            event("loop_error", loop_name="Battery", error="timed out", consecutive_errors=3, retry_in_ms=24_000),
            Line("Battery: timed out, 3rd time, retry in 24 s", "error"),
        ),
        (event("dependency_ready", name="ollama", latency_ms=8), Line("ollama answers, in 8 ms", "done")),
    ],
)
def test_what_happened_is_said_with_its_figures(said: Event, expected: Line) -> None:
    assert line(said) == expected


def test_a_summary_is_one_line_of_bounded_length() -> None:
    said = line(event("request_failed", failure="model", error="x\n" * 1000))
    assert len(said.text) == LONGEST
    assert "\n" not in said.text


def test_errors_are_kinds_that_exist() -> None:
    assert all(kind in KINDS[source] for source, kinds in ERRORS.items() for kind in kinds)  # pyright: ignore[reportArgumentType] sources by name
