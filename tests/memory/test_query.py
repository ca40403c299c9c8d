"""What a person types always means something, and what it means is what it looks like."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.memory.query import distance, expression, meant, parse, trigrams, words_of


@pytest.mark.parametrize(
    ("typed", "meant_"),
    [
        ("kitchen light", '("kitchen" AND "light")'),
        ('kitchen AND "light', '("kitchen" AND "light")'),
        ('"kitchen light" on', '("kitchen light" AND "on")'),
        ("kit*", '("kit" *)'),
        ("a OR b c", '("a") OR ("b" AND "c")'),
        ("a NOT b", '(("a")) NOT ("b")'),
        ("-b a", '(("a")) NOT ("b")'),
        ("living-room don't", '("living room" AND "don t")'),
        ("(lights)", '("lights")'),
        ("not or", '("not" AND "or")'),
    ],
)
def test_a_query_reads_as_it_looks(typed: str, meant_: str) -> None:
    assert expression(parse(typed)) == meant_


@pytest.mark.parametrize("typed", ["", "  ", '"', '""', "((", "AND", "OR NOT", "NOT light", "-light", "*", "…"])
def test_without_a_word_to_look_for_there_is_no_query(typed: str) -> None:
    assert expression(parse(typed)) == ""


_PIECES = st.sampled_from(['"', "(", ")", "*", "-", "AND", "OR", "NOT", "NEAR", "kitchen", "light", "^", ":", " ", "é"])


@given(st.lists(_PIECES | st.text(max_size=5), max_size=12).map(" ".join) | st.text(max_size=30))
def test_no_query_is_an_error(typed: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create virtual table t using fts5 (content)")
        connection.execute("insert into t values ('the kitchen light is on')")
        if wanted := expression(parse(typed)):
            connection.execute("select * from t where t match ?", (wanted,)).fetchall()
    connection.close()


@given(st.text("abcdeéèüñçABÉ12-_'. ", max_size=40))
def test_words_are_those_that_the_index_has(text: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create virtual table t using fts5 (content, tokenize = 'unicode61 remove_diacritics 2')")
        connection.execute("create virtual table v using fts5vocab ('t', 'row')")
        connection.execute("insert into t values (?)", (text,))
        known = {term for (term,) in connection.execute("select term from v")}
    connection.close()
    assert words_of(text) == {term for term in known if 4 <= len(term) <= 32 and not term[0].isdigit()}


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("kitchen", "kitchen", 0), ("kithcen", "kitchen", 1), ("kichen", "kitchen", 1), ("kotchan", "kitchen", 2)],
)
def test_slips_are_counted(one: str, other: str, edits: int) -> None:
    assert distance(one, other, 2) == edits
    assert distance(other, one, 2) == edits


def test_too_many_slips_are_no_number() -> None:
    assert distance("kitchen", "bedroom", 2) == 3
    assert distance("a", "abcdef", 2) == 3


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_slips_are_the_same_both_ways(one: str, other: str) -> None:
    assert distance(one, other, 3) == distance(other, one, 3)


def test_the_nearest_known_word_is_meant() -> None:
    assert meant("kithcen", ["chicken", "kitchen", "kitten"]) == "kitchen"
    assert meant("lamp", ["light", "limb"]) == ""
    assert meant("temprature", ["temperature"]) == "temperature"


def test_a_word_shares_its_trigrams() -> None:
    assert trigrams("lamps") == '"lam" OR "amp" OR "mps"'
    assert trigrams("la") == ""
