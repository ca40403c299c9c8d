"""A prompt that is too long for its model is shortened where it hurts least, and never splits a tool round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thane.agent.window import Recap, fit, tokens
from thane.turn import Message, ToolCall

SYSTEM = Message("system", "You are Thane.")
NO_RECAP = Recap()


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def tool_round(result: str) -> tuple[Message, ...]:
    call = ToolCall("call_1", "look", {"at": "lamp"})
    return Message("assistant", tool_calls=(call,)), Message("tool", result, tool_call_id="call_1")


def chat(turns: int, length: int = 100) -> list[Message]:
    said = [
        message for n in range(turns) for message in (user(f"{n} {'q' * length}"), assistant(f"{n} {'a' * length}"))
    ]
    return [SYSTEM, *said, user("and now?")]


def fitted(messages: list[Message], budget: int, recap: Recap = NO_RECAP) -> tuple[Message, ...]:
    return fit(messages, budget, recap, result_chars=20).messages


def test_what_fits_stays_as_it_is() -> None:
    messages = chat(3)
    found = fit(messages, 10_000, NO_RECAP, result_chars=20)
    assert (tuple(messages), 0, 0) == (found.messages, found.left_out, found.cut)


def test_the_oldest_messages_are_left_out_and_the_newest_stay() -> None:
    messages = chat(20)
    found = fit(messages, 400, NO_RECAP, result_chars=20)
    assert found.messages[0].content.startswith(f"{SYSTEM.content}\n\n[{found.left_out} earlier messages")
    assert "user" == found.messages[1].role
    assert messages[-3:] == list(found.messages[-3:])
    assert found.fits
    assert tokens(found.messages) <= 400


def test_a_recap_stands_in_place_of_what_is_left_out() -> None:
    messages = chat(20)
    text = "[Conversation Summary] lamps"
    found = fitted(messages, 400, Recap(text, 6))
    assert f"{SYSTEM.content}\n\n{text}" in found[0].content
    covered_more = fitted(messages, 1000, Recap(text, 40))  # it covers more than had to go: all of that is left out
    assert (Message("system", f"{SYSTEM.content}\n\n{text}"), user("and now?")) == covered_more


def test_a_recap_that_is_too_long_is_cut_and_the_newest_still_have_room() -> None:
    found = fit(chat(20), 400, Recap("word " * 900, 6), result_chars=20)
    assert found.fits
    assert "word word" in found.messages[0].content
    assert len(found.messages) > 2


def test_results_of_earlier_calls_are_cut_before_words_are_left_out() -> None:
    messages = [SYSTEM, user("look"), *tool_round("x" * 4000), assistant("It is on."), user("and now?")]
    found = fit(messages, 300, NO_RECAP, result_chars=20)
    assert (0, 1) == (found.left_out, found.cut)
    assert "x" * 20 + "… (cut)" == found.messages[3].content


def test_what_this_turn_has_done_stays_whole() -> None:
    messages = [SYSTEM, *chat(10)[1:-1], user("look"), *tool_round("x" * 3000)]
    found = fit(messages, 200, NO_RECAP, result_chars=20)
    assert messages[-3:] == list(found.messages[-3:])
    assert not found.fits


def test_the_beginning_moves_in_steps_so_that_a_server_can_keep_it() -> None:
    starts = [fitted(chat(turns), 1000)[1] for turns in range(20, 40)]
    assert len(set(starts)) < len(starts) / 2


_MESSAGES = st.lists(
    st.one_of(
        st.text(max_size=200).map(lambda text: (user(text),)),
        st.text(max_size=200).map(lambda text: (assistant(text),)),
        st.text(max_size=400).map(tool_round),
    ),
    max_size=12,
).map(lambda rounds: [SYSTEM, *(message for each in rounds for message in each), user("and now?")])


@given(_MESSAGES, st.integers(20, 800), st.integers(0, 10))
def test_no_tool_round_is_ever_split(messages: list[Message], budget: int, covers: int) -> None:
    found = fit(messages, budget, Recap("recap", covers), result_chars=20)
    asked = 0
    for message in found.messages:
        if message.role == "tool":
            assert asked
            asked -= 1
        else:
            assert not asked
            asked = len(message.tool_calls)
    assert found.messages[0].content.startswith(SYSTEM.content)
    assert user("and now?") == found.messages[-1]
    assert found.left_out <= len(messages) - 2


@given(_MESSAGES, st.integers(20, 800), st.integers(0, 5000))
def test_it_fits_whenever_the_present_turn_alone_does(messages: list[Message], budget: int, words: int) -> None:
    found = fit(messages, budget, Recap("recap " * words, 4), result_chars=20)
    if tokens([SYSTEM, user("and now?")]) + 40 <= budget:
        assert found.fits
