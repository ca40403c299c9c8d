from __future__ import annotations

import msgspec

from tests.http.dashboard.evening import remember_chat
from tests.http.dashboard.fakes import World
from thane.http.dashboard.chat_log import Chip, chat_log
from thane.memory.records import MessageRecord, RunRecord
from thane.turn import Message, Role


def record(number: int, role: Role, text: str, key: str, parent: str, run: str = "r_1") -> MessageRecord:
    return MessageRecord(f"m{number}", "c_1", run, number, Message(role, text), 0.0, key, parent)


async def test_questions_and_answers_with_their_tools_and_figures() -> None:
    world = World()
    remember_chat(world)
    said = chat_log(world.archive.said["c_l7"], world.archive.past)
    assert [(each.mine, each.text) for each in said[2:]] == [
        (True, "Film time: dim the floor lamp."),
        (False, "The floor lamp is at 35 %."),
    ]
    assert said[3].chips == (Chip("light.turn_on", "84 ms", "done"),)
    assert (said[3].model, said[3].by) == ("qwen3:14b", ("61 tokens", "first word 380 ms", "1.3 s"))


def test_a_failed_turn_stands_under_its_question() -> None:
    run = RunRecord(
        "r_1", "c_1", "l", "api", "p", "failed", 0.0, failure="model", error="the model broke", text="The fl"
    )
    question, answer = chat_log([record(0, "user", "hello", "a", "")], {"r_1": run})
    assert question.mine
    assert (answer.text, answer.problem) == ("The fl", "the model broke")


def test_an_answer_without_a_stored_run_is_shown_all_the_same() -> None:
    (said,) = chat_log([record(0, "assistant", "hello", "a", "")], {})
    assert said.text == "hello"


def test_tool_messages_are_not_shown() -> None:
    messages = [
        record(0, "user", "hello", "a", ""),
        record(1, "tool", "{}", "b", "a"),
        msgspec.structs.replace(record(2, "assistant", "", "c", "b")),
    ]
    assert [said.text for said in chat_log(messages, {})] == ["hello"]
