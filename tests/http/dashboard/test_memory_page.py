"""The Memory page in words."""

from __future__ import annotations

from thane.http.dashboard.memory_page import rows, use_rows
from thane.memory.fact import Fact, Use

AT = 1_800_000_000.0


def test_a_fact_says_whose_it_is_where_it_is_from_and_whether_it_holds() -> None:
    facts = (
        Fact("f", "person", "anna", "user", "tea", "green", "extraction", "r", 0.7, AT, AT, superseded_by="g"),
        Fact("g", "conversation", "c_1", "user", "plan", "cake", "model", "r", 1.0, AT, AT, state="superseded"),
        Fact("h", "house", "", "home", "bins", "Monday", "person", "", 1.0, AT, AT, valid_until=AT, state="forgotten"),
    )

    assert [
        ("anna", "", "read from the talk", "70% sure", "", False),
        ("", "c_1", "a model", "", "replaced", False),
        ("the house", "", "a person", "", "forgotten", True),
    ] == [
        (row.whose, row.conversation_id, row.source, row.confidence, row.state, bool(row.until))
        for row in rows(facts, None)
    ]


def test_a_use_says_what_the_turn_did() -> None:
    (row,) = use_rows((Use("f", "r_1", "recall", AT),), None)
    assert ("r_1", "looked it up") == (row.run_id, row.how)
