"""What is said about a session, with and without a model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thane.conversations.summaries import described, extract, question, transcript
from thane.memory.records import MessageRecord
from thane.turn import Message, Role


def said(*texts: str, first: Role = "user") -> Sequence[MessageRecord]:
    roles: tuple[Role, Role] = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [MessageRecord(f"m{n}", "c", "r", n, Message(roles[n % 2], text), float(n)) for n, text in enumerate(texts)]


def test_the_question_quotes_the_session_and_asks_for_a_form() -> None:
    turn = question(said("is the garden lamp on?", "It is."), 1000, "small")
    assert "USER: is the garden lamp on?\nASSISTANT: It is." in turn.messages[0].content
    assert ("small", "session_summary") == (turn.model, turn.caller.task)
    assert isinstance(turn.options.format, dict)


def test_of_a_long_session_the_beginning_and_the_end_are_quoted() -> None:
    text = transcript(said("a" * 500, "b" * 500), 100)
    assert text.startswith("USER: aaa")
    assert text.endswith("bbb")
    assert len(text) < 120


@pytest.mark.parametrize(
    "answer",
    [
        '{"title":"Garden lamp","paragraph":"It was on.","tags":["Lamp","lamp"," garden "]}',
        '```json\n{"title":"Garden lamp","paragraph":"It was on.","tags":["lamp","garden"]}\n```',
        'Here it is: {"title":" Garden lamp ","paragraph":"It was on.","tags":["lamp","garden"]} Bye.',
    ],
)
def test_a_model_may_wrap_its_object(answer: str) -> None:
    found = described(answer)
    assert found is not None
    assert ("Garden lamp", "It was on.", ("lamp", "garden")) == (found.title, found.summary, found.tags)
    assert "model" == found.details["made_by"]


@pytest.mark.parametrize("answer", ["", "no", "{", '{"title":"a"}', '{"title":"","paragraph":"x"}', "[1]", '{"a":}'])
def test_what_is_no_such_object_is_none(answer: str) -> None:
    assert described(answer) is None


@given(st.text(max_size=60))
def test_no_answer_is_an_error(answer: str) -> None:
    described(answer)


def test_without_a_model_the_words_themselves_describe_it() -> None:
    found = extract(said("Turn off the garden lamp", "Done.", "And the kitchen lamp", "The kitchen lamp is off."))
    assert "Turn off the garden lamp" == found.title
    assert "lamp" == found.tags[0]
    assert "In the end: The kitchen lamp is off." in found.summary


def test_an_empty_session_is_described_too() -> None:
    assert extract(()).summary
    assert extract(()).title
