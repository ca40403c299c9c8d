"""JSON that no line splitter can break."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from thane.wire.json_text import dump, escape, quote

SPLITTERS = "\u0085\u2028\u2029\v\f\x1c\x1d\x1e\r\n"


@given(st.text(max_size=40))
def test_any_text_comes_back_and_stays_on_one_line(text: str) -> None:
    line = escape(quote(text)).decode()
    assert text == json.loads(line)
    assert line.splitlines() == [line]


def test_what_splits_lines_in_python_clients_is_escaped() -> None:
    line = dump({"text": SPLITTERS}).decode()
    assert len(line.splitlines()) == 1
    assert {"text": SPLITTERS} == json.loads(line)


def test_markup_is_escaped_as_go_does_it() -> None:
    assert b'"\\u003cb\\u003e \\u0026"' == dump("<b> &")


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert "a\ufffdb" == json.loads(quote("a\ud83db"))
    assert {"k\ufffd": ["\ufffd", 1]} == json.loads(dump({"k\ud83d": ["\udc00", 1]}))
