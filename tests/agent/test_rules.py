from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from thane.agent.client_tools import Offer
from thane.agent.rules import count_calls, cut_result, estimate_tokens, plan_calls, separated, signature
from thane.turn import Message, Text, Thinking, ToolCall, ToolSpec

OFFER = Offer((ToolSpec("light"), ToolSpec("theirs")), frozenset({"light"}), frozenset({"theirs"}))


def call(name: str, number: int = 1, **arguments: object) -> ToolCall:
    return ToolCall(f"call_{number}", name, dict(arguments))


def test_own_calls_are_run_and_client_calls_end_the_reply():
    assert [call("light")] == [task.call for task in plan_calls([call("light")], OFFER, {}, repeated_calls=3).tasks]
    plan = plan_calls([call("theirs", 1), call("theirs", 2, a=1)], OFFER, {}, repeated_calls=3)
    assert ((call("theirs", 1), call("theirs", 2, a=1)), ()) == (plan.client, plan.tasks)


def test_in_a_mixed_step_the_clients_calls_are_answered_and_not_passed_on():
    plan = plan_calls([call("theirs"), call("light", 2)], OFFER, {}, repeated_calls=3)
    assert () == plan.client
    assert ["theirs", "light"] == [task.call.name for task in plan.tasks]
    assert "by itself" in plan.tasks[0].refusal
    assert "" == plan.tasks[1].refusal


def test_a_call_with_the_same_arguments_is_refused_once_it_was_made_often_enough():
    made = Counter({signature(call("light", a=1, b=2)): 2})
    plan = plan_calls([call("light", 1, b=2, a=1), call("light", 2, a=1, b=2)], OFFER, made, repeated_calls=3)
    assert ["", "3 times"] == [task.refusal and "3 times" for task in plan.tasks]
    assert "3 times" in plan.tasks[1].refusal
    assert "" == plan_calls([call("light", a=2)], OFFER, made, repeated_calls=3).tasks[0].refusal


def test_a_clients_tool_that_is_called_too_often_is_not_passed_on_either():
    plan = plan_calls([call("theirs")], OFFER, {signature(call("theirs")): 3}, repeated_calls=3)
    assert () == plan.client
    assert "3 times" in plan.tasks[0].refusal


def test_an_unknown_tool_is_answered_with_the_names_that_there_are():
    plan = plan_calls([call("light"), call("lamp", 2)], OFFER, {}, repeated_calls=3)
    assert plan.illegal
    assert "no tool 'lamp'" in plan.tasks[1].refusal
    assert "light, theirs" in plan.tasks[1].refusal
    assert not plan_calls([call("light")], OFFER, {}, repeated_calls=3).illegal


def test_the_clients_tool_rounds_since_the_user_spoke_count():
    messages = (
        Message("assistant", tool_calls=(call("theirs", 9),)),
        Message("user", "again"),
        Message("assistant", tool_calls=(call("theirs", 1), call("theirs", 2, a=1))),
        Message("tool", "x"),
        Message("assistant", tool_calls=(call("theirs", 3),)),
        Message("tool", "x"),
    )
    assert 2 == count_calls(messages)[signature(call("theirs"))]


@given(st.text(max_size=50), st.integers(1, 60))
def test_a_result_is_cut_only_when_it_is_too_long(content: str, limit: int):
    cut = cut_result(content, limit)
    if len(content) <= limit:
        assert content == cut
    else:
        assert cut.startswith(content[:limit])
        assert f"{limit} of {len(content)}" in cut


def test_the_blank_line_stands_before_the_first_text():
    assert (Thinking("Hm"), Text("\n\n"), Text("a"), Text("b")) == separated((Thinking("Hm"), Text("a"), Text("b")))
    assert (Thinking("Hm"),) == separated((Thinking("Hm"),))


def test_tokens_are_about_four_characters():
    assert [0, 1, 1, 2] == [estimate_tokens(n) for n in (0, 1, 4, 5)]


def test_a_client_that_takes_one_call_at_a_time_is_given_the_first() -> None:
    offer = msgspec.structs.replace(OFFER, one_call=True)
    plan = plan_calls([call("theirs", 1), call("theirs", 2, a=1)], offer, {}, repeated_calls=3)
    assert ((call("theirs", 1),), ()) == (plan.client, plan.tasks)
    both = plan_calls([call("light"), call("lamp", 2)], offer, {}, repeated_calls=3)
    assert 2 == len(both.tasks)
