from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from thane.cli.follow import EventFrame
from thane.cli.lines import STYLES, line
from thane.cli.plain import many_lines, one_line
from thane.events.event import KINDS


def shown(kind: str = "tool_call", source: str = "agent", **data: Any) -> str:
    return line(EventFrame(1, "2025-11-23T04:30:31.500000Z", source, kind, data), UTC).plain


def test_a_line_has_time_source_kind_facts_and_then_the_ids() -> None:
    expected = '04:30:31.500 agent  tool_call               tool=light_turn_on args={"area":"Kitchen"} r_1 c_2'
    assert expected == shown(run_id="r_1", tool="light_turn_on", args={"area": "Kitchen"}, conversation_id="c_2")


def test_an_id_that_has_two_names_is_shown_once() -> None:
    assert shown("request_start", run_id="r_1", request_id="r_1", channel="api").endswith(" channel=api r_1")


def test_values_that_are_not_one_word_are_quoted() -> None:
    assert shown(error="no answer", summary="", count=3).endswith('error="no answer" summary="" count=3')


def test_what_goes_wrong_is_red_whatever_its_source() -> None:
    def styles(kind: str, **data: Any) -> str:
        return str(
            [str(span.style) for span in line(EventFrame(1, "1970-01-01T00:00:00Z", "agent", kind, data), UTC).spans]
        )

    assert "red" in styles("request_failed")
    assert "red" in styles("tool_done", ok=False)
    assert "red" not in styles("tool_done", ok=True)


def test_every_source_has_a_colour() -> None:
    assert set(KINDS) == set(STYLES)


def test_escape_sequences_of_a_model_do_not_reach_the_terminal() -> None:
    assert many_lines("\x1b[31mred\x1b]0;title\x07 \x9b2J") == "�[31mred�]0;title� �2J"
    assert (
        "\x1b" not in line(EventFrame(1, "1970-01-01T00:00:00Z", "agent", "\x1b[1m", {"\x1b[1m": "\x1b[2J"}), UTC).plain
    )
    assert many_lines("a\r\nb\tc") == "a\nb\tc"
    assert one_line("a\r\nb\tc") == "a⏎b c"
    assert one_line("safe\u202egnp.exe") == "safe�gnp.exe"


@given(st.text())
def test_nothing_unprintable_is_left(text: str) -> None:
    assert all(mark >= " " for mark in one_line(text))
    assert all(mark >= " " or mark in "\n\t" for mark in many_lines(text))


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
            st.lists,
            max_leaves=4,
        ),
    )
)
def test_any_event_is_one_line(data: dict[str, Any]) -> None:
    assert "\n" not in line(EventFrame(1, "1970-01-01T00:00:00Z", "agent", "tool_done", data), UTC).plain
