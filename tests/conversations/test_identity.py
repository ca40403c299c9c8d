from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.doubles import assistant, user
from thane.conversations import identity
from thane.conversations.identity import ROOT, Evidence, Verdict, choose, continues, digest, explicit_id, key, read
from thane.memory.records import Holder
from thane.turn import Caller, Channel, Message, ToolCall

SYSTEM = Message("system", "You are a voice assistant")
CALL = ToolCall("call_1", "HassTurnOff", {"name": "Lamp", "area": "Kitchen"})


def holder(name: str, *, channel: Channel = "ha", at: float = 1000, head: bool = True) -> Holder:
    return Holder(name, at, head, channel)


def chosen(*holders: Holder, caller: Caller | None = None, tool_round: bool = False, **evidence: object) -> Verdict:
    return choose(
        holders,
        caller or Caller(channel="ha"),
        tool_round=tool_round,
        evidence=Evidence(**evidence),  # pyright: ignore[reportArgumentType] whatever the test says
        now=1000,
        home_assistant_idle_seconds=600,
    )


def test_a_history_is_keyed_as_a_path_and_system_messages_do_not_count() -> None:
    messages = [SYSTEM, user("a"), assistant("b"), user("c")]
    history = read(messages)
    assert (3, 1) == (len(history.said), history.answer)
    assert history == read([user("a"), assistant("b"), SYSTEM, user("c")])
    assert history.keys[0] == key(ROOT, user("a"))
    assert history.keys[2] == key(history.keys[1], user("c"))
    assert (ROOT, history.keys[0]) == (history.parent(0), history.parent(1))


def test_one_message_has_different_keys_below_different_parents() -> None:
    assert read([user("a"), user("x")]).keys[1] != read([user("b"), user("x")]).keys[1]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (assistant("  The light is on.\n"), assistant("The light is on.")),
        (Message("assistant", "Hi", thinking="hm"), assistant("Hi")),
        (Message("assistant", "Let me see", tool_calls=(CALL,)), Message("assistant", tool_calls=(CALL,))),
        (
            Message("assistant", tool_calls=(ToolCall("a", "set", {"x": 1.0, "y": [2.0, {"z": 3.0}]}),)),
            Message("assistant", tool_calls=(ToolCall("b", "set", {"y": [2, {"z": 3}], "x": 1}),)),
        ),
        (Message("tool", '{"data":1}', tool_call_id="call_1"), Message("tool", "rewritten", tool_name="x")),
        (
            user(
                "### Task:\nRespond to the user query using the provided context, with citations.\n\n<context>\n"
                '<source id="1">a </context> b</source>\n</context>\n\nWhat is it?'
            ),
            user("What is it?"),
        ),
    ],
)
def test_what_clients_change_on_the_way_back_does_not_change_the_key(ours: Message, theirs: Message) -> None:
    assert digest(ours) == digest(theirs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (user("hi"), assistant("hi")),
        (user("hi"), user("Hi")),
        (Message("user", "hi", images=("aGk=",)), user("hi")),
        (Message("user", "hi", images=("aGk=",)), Message("user", "hi", images=("aGo=",))),
        (Message("user", "", images=("aGk=", "aGk=")), Message("user", "", images=("aGk=",))),
        (Message("assistant", tool_calls=(CALL,)), assistant('[["HassTurnOff",{"area":"Kitchen","name":"Lamp"}]]')),
        (Message("assistant", tool_calls=(CALL,)), Message("assistant", tool_calls=(CALL, CALL))),
        (user("0:"), user("")),
        (user("0:x"), user("x")),
    ],
)
def test_different_messages_have_different_keys(one: Message, other: Message) -> None:
    assert digest(one) != digest(other)


texts = st.text(max_size=8)
messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=texts,
    images=st.lists(st.sampled_from(["aaaa", "bbbb"]), max_size=2).map(tuple),
)


@given(st.lists(messages, max_size=6), st.lists(messages, max_size=6))
def test_two_histories_have_one_key_only_if_they_say_the_same(one: list[Message], other: list[Message]) -> None:
    def plain(said: list[Message]) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(each.role, each.content.strip(), each.images) for each in said]

    if one and other:
        assert (read(one).keys[-1] == read(other).keys[-1]) == (plain(one) == plain(other))


def test_lone_surrogates_do_not_break_a_key() -> None:
    assert 32 == len(digest(user("\ud800")))


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (Caller("owu"), ""),
        (Caller("owu", "7d3a"), "owu:7d3a"),
        (Caller("owu", "c_0123456789abcdef"), "owu:c_0123456789abcdef"),
        (Caller("owu", "channel:12"), "owu:channel:12"),
        (Caller("owu", "temporary:q7Zs-socket"), ""),
        (Caller("owu", "local:q7Zs-socket"), ""),
        (Caller("api", "local:mine"), "api:local:mine"),
        (Caller("ha", "ha:1700-12"), "ha:1700-12"),
        (Caller("api", "c_0123456789abcdef"), "c_0123456789abcdef"),
        (Caller("api", "mine"), "api:mine"),
        (Caller("api", "api:mine"), "api:mine"),
        (Caller("api", "owu:7d3a"), "owu:7d3a"),
        (Caller("api", "c_short"), "api:c_short"),
    ],
)
def test_ids_of_clients_live_in_the_namespace_of_their_channel(caller: Caller, expected: str) -> None:
    assert expected == explicit_id(caller)


@pytest.mark.parametrize("strange", ["a/b", "a b", "x" * 200, "ä", "..\n"])
def test_strange_ids_are_hashed(strange: str) -> None:
    made = explicit_id(Caller("api", strange))
    assert made.startswith("api:")
    assert 36 == len(made)
    assert made != explicit_id(Caller("api", strange + "x"))


def test_nobody_holding_the_node_is_unknown() -> None:
    assert Verdict("unknown") == chosen()


def test_the_only_holder_is_found() -> None:
    assert Verdict("found", "c_1") == chosen(holder("c_1"))


def test_two_holders_are_unsure() -> None:
    assert Verdict("unsure") == chosen(holder("c_1"), holder("c_2"))


@pytest.mark.parametrize(
    "other",
    [holder("c_2", channel="owu"), holder("c_2", at=399), holder("ha:named")],
    ids=["other channel", "ended by Home Assistant", "named by its client"],
)
def test_one_that_cannot_be_meant_does_not_count(other: Holder) -> None:
    assert Verdict("found", "c_1") == chosen(holder("c_1"), other)
    assert Verdict("unsure") == chosen(other)


def test_other_clients_than_home_assistant_may_come_back_at_any_time() -> None:
    assert Verdict("found", "c_1") == chosen(holder("c_1", channel="owu", at=0), caller=Caller("owu"))


def test_the_user_decides_where_known() -> None:
    users = {"c_1": "ann", "c_2": "bob"}
    two = holder("c_1"), holder("c_2")
    assert Verdict("found", "c_1") == chosen(*two, caller=Caller("ha", user="ann"), users=users)
    assert Verdict("unsure") == chosen(*two, caller=Caller("ha", user="cid"), users=users)
    assert Verdict("unsure") == chosen(two[0], caller=Caller("ha", user="bob"), users=users)
    assert Verdict("unsure") == chosen(*two, caller=Caller("ha"), users=users)
    assert Verdict("unsure") == chosen(*two, caller=Caller("ha", user="ann"), users={"c_1": "ann", "c_2": "ann"})


def test_a_tool_round_belongs_to_the_one_that_made_the_call_else_to_the_only_one_that_waits_for_it() -> None:
    two = holder("c_1"), holder("c_2")
    assert Verdict("found", "c_2") == chosen(*two, tool_round=True, called=frozenset({"c_2", "c_9"}))
    assert Verdict("unsure") == chosen(*two, tool_round=True, called=frozenset({"c_1", "c_2"}))
    assert Verdict("found", "c_1") == chosen(*two, tool_round=True, waiting=frozenset({"c_1"}))
    assert Verdict("unsure") == chosen(*two, tool_round=True, waiting=frozenset({"c_1", "c_2"}))
    moved_on = holder("c_1", head=False), holder("c_2")
    assert Verdict("found", "c_2") == chosen(*moved_on, tool_round=True, waiting=frozenset({"c_1", "c_2"}))
    assert Verdict("unsure") == chosen(*two, called=frozenset({"c_2"}), waiting=frozenset({"c_1"}))


def test_a_tool_round_is_one_only_when_results_follow_the_call() -> None:
    calling = Message("assistant", tool_calls=(CALL,))
    assert read([user("a"), calling, Message("tool", "{}")]).is_tool_round
    assert not read([user("a"), calling]).is_tool_round
    assert not read([user("a"), assistant("b"), user("c")]).is_tool_round
    assert not read([user("a")]).is_tool_round


def test_a_trimmed_history_must_end_as_the_remembered_one_over_all_that_is_visible() -> None:
    whole = ("u1", "a1", "u2", "a2")
    assert continues(("u2", "a2"), whole)
    assert continues(("u1", "a1", "u2", "a2"), whole)
    assert continues(("u0", "a0", "u1", "a1", "u2", "a2"), whole)
    assert not continues(("x", "u2", "a2"), whole)
    assert not continues(("u1", "a1"), whole)
    assert continues(("a2",), whole)
    assert continues((), whole)


def test_answers_are_given_last_first_and_no_more_than_asked_for() -> None:
    history = read([user("a"), assistant("b"), user("c"), assistant("d"), user("e"), assistant("f"), user("g")])
    assert (5, 3) == history.answers(2)
    assert () == read([user("a")]).answers(2)
    assert identity.window(history.said, 2) == (digest(assistant("f")), digest(user("g")))


def test_a_turn_is_all_since_the_answer_before_what_the_user_asked_last() -> None:
    calling, result = Message("assistant", tool_calls=(CALL,)), Message("tool", "{}")
    assert 1 == identity.count_of_turn([user("a")])
    assert 1 == identity.count_of_turn([user("a"), assistant("b"), user("c")])
    assert 2 == identity.count_of_turn([user("a"), assistant("b"), user("c"), user("d")])
    assert 3 == identity.count_of_turn([user("a"), assistant("b"), user("c"), calling, result])
    assert 2 == identity.count_of_turn([calling, result]) == len([calling, result])
    assert 0 == identity.count_of_turn([])
