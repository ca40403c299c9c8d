"""A branch of a conversation is shown as turns, with the ways that part from it."""

from __future__ import annotations

from typing import Any

from thane.conversations.marks import mark
from thane.http.dashboard.thread import Shown, Ways, branch, thread
from thane.memory.records import MessageRecord, RunRecord, RunState, ToolCallRecord
from thane.turn import Message, ToolCall, Usage

AT = 1_800_000_000.0


def record(key: str, parent: str, message: Message, run_id: str = "r_1", at: float = AT) -> MessageRecord:
    return MessageRecord(f"m_{key}", "c_1", run_id, len(key), message, at, key, parent)


def run(id_: str, state: RunState = "done", **more: Any) -> RunRecord:
    return RunRecord(id_, "c_1", "l", "ha", "thane:latest", state, AT, **more)


ONE = record("a", "", Message("user", "one"))
ANSWER = record("ab", "a", Message("assistant", "yes"))
AGAIN = record("ac", "a", Message("assistant", "no"), "r_2")
MORE = record("abd", "ab", Message("user", "more"), "r_3")
TREE = (ONE, ANSWER, MORE, AGAIN)


def test_the_branch_last_spoken_in_is_shown_or_the_chosen_one() -> None:
    assert (ONE, AGAIN) == branch(TREE)
    assert (ONE, ANSWER, MORE) == branch(TREE, ANSWER.id)
    assert (ONE, AGAIN) == branch(TREE, "m_gone")
    assert () == branch(())


def test_where_ways_part_the_others_can_be_reached() -> None:
    shown = thread(TREE, branch(TREE, ANSWER.id), {})
    assert [None, Ways(1, 2, "", AGAIN.id), None] == [each.ways for each in shown]
    assert [None, Ways(2, 2, ANSWER.id, "")] == [each.ways for each in thread(TREE, branch(TREE), {})]


def test_the_rounds_of_a_clients_tools_are_shown_as_one_answer() -> None:
    call = ToolCall("c", "HassTurnOff", {})
    said = (
        record("a", "", Message("user", "lamp off")),
        record("ab", "a", Message("assistant", tool_calls=(call,))),
        record("abc", "ab", Message("tool", "{}"), "r_2"),
        record("abcd", "abc", Message("assistant", "It is off."), "r_2"),
    )
    runs = {
        "r_1": run("r_1", duration=1.0, usage=Usage(9, 4), cost_usd=0.5),
        "r_2": run("r_2", duration=2.0, usage=Usage(9, 3), cost_usd=0.25, model="qwen"),
    }
    question, answer = thread(said, said, runs)
    assert (True, "lamp off") == (question.mine, question.text)
    assert ("It is off.", "r_2", "qwen", ("3.0 s", "7 tokens", "$0.75")) == (
        *(answer.text, answer.run_id, answer.model, answer.figures),
    )
    assert ["HassTurnOff"] == [chip.name for chip in answer.chips]


def test_a_failure_stands_where_the_answer_would() -> None:
    failed = run("r_1", "failed", failure="model", error="It broke.", text="")
    assert [("one", ""), ("", "It broke.")] == [(s.text, s.problem) for s in thread((ONE,), (ONE,), {"r_1": failed})]


def test_a_turn_that_runs_shows_its_question_alone() -> None:
    assert ["one"] == [each.text for each in thread((ONE,), (ONE,), {"r_1": run("r_1", "running")})]


def test_thanes_own_tools_are_told_with_their_time() -> None:
    call = ToolCallRecord("c", "r_1", "c_1", 1, "house.set", "{}", "", ok=False, started_at=AT, duration=0.25)
    _, answer = thread((ONE, ANSWER), (ONE, ANSWER), {"r_1": run("r_1", tool_calls=(call,))})
    assert [("house.set", "250 ms", "error")] == [(chip.name, chip.note, chip.state) for chip in answer.chips]


def test_the_time_is_told_at_first_and_after_a_long_pause() -> None:
    late = record("abd", "ab", Message("user", "later"), at=AT + 3600)
    shown = thread((ONE, ANSWER, late), (ONE, ANSWER, late), {})
    assert [AT, None, AT + 3600] == [each.at for each in shown]
    assert isinstance(shown[0], Shown)


def test_a_mark_stands_where_it_covers_to_and_hides_nothing() -> None:
    summary = mark("summary", ANSWER, "[Conversation Summary]\nThey said yes.", id_="m_s", at=AT + 1)
    reset = mark("reset", MORE, "", id_="m_r", at=AT + 2)
    records = (ONE, ANSWER, MORE, summary, reset)
    shown = thread(records, branch(records), {})
    assert ["one", "yes", "They said yes.", "more", ""] == [each.text for each in shown]
    assert ["", "", "Compacted", "", "Begun"] == [each.mark.partition(":")[0].partition(" ")[0] for each in shown]
    assert (ONE, AGAIN) == branch((*TREE, mark("reset", ANSWER, "", id_="m_r", at=AT + 2)))
