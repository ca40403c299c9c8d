from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.doubles import assistant, user
from thane.conversations.words import NAME_CHARS, TITLE_CHARS, cut, first_title, last_title, loop_name, spoken, title

RETRIEVAL = "### Task:\nRespond to the user query using the provided context, incorporating inline citations.\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("turn on the light", "turn on the light"),
        ("  turn\non   the\tlight ", "turn on the light"),
        ("x" * 60, "x" * 60),
        ("What is the weather today? " * 3, "What is the weather today? What is the weather today? What …"),
        ("", "conversation"),
        (" \n ", "conversation"),
        ("Küche über alles 🙂 und so weiter", "Küche über alles 🙂 und so weiter"),
    ],
)
def test_a_title_is_one_short_line(said: str, expected: str) -> None:
    assert expected == title(said)
    assert len(title(said)) <= TITLE_CHARS


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_is_never_longer_and_begins_as_the_whole(text: str, chars: int) -> None:
    short = cut(text, chars)
    assert len(short) <= chars
    assert text.startswith(short.removesuffix("…"))


def test_a_conversation_is_named_after_what_was_said_first_and_a_turn_after_what_was_said_last() -> None:
    messages = (assistant("hi"), user("one"), assistant("ok"), user("two"))
    assert ("one", "two") == (first_title(messages), last_title(messages))
    assert ("conversation", "conversation") == (first_title(()), last_title((assistant("hi"),)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b", "owu/a_b"),
        ("  a\x00b\x7fc\x1f ", "owu/abc"),
        ("", "owu/conversation"),
        ("日本", "owu/日本"),
        ("exactly twenty-four char", "owu/exactly twenty-four char"),
        ("Küche über alles 🙂 und so", "owu/Küche über alles 🙂 und …"),
    ],
)
def test_loop_names_have_no_control_characters_and_one_slash(name: str, expected: str) -> None:
    assert expected == loop_name("owu", name)
    assert len(loop_name("", name)) <= NAME_CHARS + 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (" hi ", "hi"),
        (f"{RETRIEVAL}<context>\n<source>x</source>\n</context>\n\nWhat is x?", "What is x?"),
        (f"{RETRIEVAL}<context>a</context> b</context>\nWhat?", "What?"),
        (f"{RETRIEVAL}<context>x</context>\n<user_query>\nWhat is x?\n</user_query>", "What is x?"),
        (f"{RETRIEVAL}<context>x</context>", f"{RETRIEVAL}<context>x</context>"),
        ("### Task:\nGenerate a concise title", "### Task:\nGenerate a concise title"),
    ],
)
def test_the_retrieval_prompt_is_not_what_was_said(content: str, expected: str) -> None:
    assert expected == spoken(content)
