"""What of a conversation goes into its summary, and how long that may be."""

from __future__ import annotations

from typing import Literal

import msgspec

from tests.memory.samples import run, said
from thane.conversations import marks
from thane.conversations.abridging import bounded, by_run, plain, quoted
from thane.memory.records import MessageRecord, ToolCallRecord
from thane.turn import Message, ToolCall

RUN = run("r_1", "c_1")
SAID = said(RUN, "when does the 7 go?", "At 8:10.")


def _saying(text: str) -> MessageRecord:
    return msgspec.structs.replace(SAID[0], message=Message("user", text))


def call(name: str, result: str, owner: Literal["thane", "client"] = "thane", *, ok: bool = True) -> ToolCallRecord:
    return ToolCallRecord("1", "r_1", "c_1", 1, name, '{"line": 7}', result, ok, 1.0, 0.1, owner)


def test_what_tools_brought_is_told_before_the_answer_that_was_made_of_it() -> None:
    calls = by_run([call("timetable", "8:10, 8:40, 9:10 " + "x" * 9000), call("client_own", "not this", "client")])

    lines = quoted(SAID, calls, 40_000).splitlines()

    assert ["USER: when does the 7 go?", "ASSISTANT: At 8:10."] == [lines[0], lines[2]]
    assert lines[1].startswith('TOOL: timetable {"line": 7} brought 8:10, 8:40, 9:10')
    assert len(lines[1]) < 500
    assert "8:40" in plain(SAID, calls, 2000)
    assert "failed with no such line" in plain(SAID, by_run([call("timetable", "no such line", ok=False)]), 2000)


def test_the_round_of_a_clients_tools_is_told_too() -> None:
    asks = msgspec.structs.replace(
        SAID[1], message=Message("assistant", "", tool_calls=(ToolCall("1", "On", {"a": 1}),))
    )
    back = msgspec.structs.replace(SAID[1], id="m", message=Message("tool", "done " * 500, tool_name="On"))

    lines = quoted((SAID[0], asks, back), {}, 40_000).splitlines()

    assert 'ASSISTANT: calls On {"a":1}' == lines[1]
    assert lines[2].startswith("TOOL: On brought done done")
    assert len(lines[2]) < 500


def test_of_what_is_too_long_beginning_and_end_are_shown() -> None:
    many: list[MessageRecord] = [
        msgspec.structs.replace(SAID[0], message=Message("user", f"say {n} " * 9)) for n in range(99)
    ]
    text = quoted(many, {}, 1000)
    assert len(text) < 1010
    assert ("USER: say 0", "[…]", "say 98") == (text[:11], text[500 + 1 : 504], text[-6:])


def test_without_a_model_the_summary_before_stays() -> None:
    mark = marks.mark("summary", SAID[-1], f"{marks.SUMMARY_HEADING}\nIt is about buses.", id_="m", at=1.0)
    lines = ["It is about buses.", "user: when does the 7 go?", "assistant: At 8:10."]
    assert lines == plain((mark, *SAID), {}, 2000).splitlines()
    assert f"SYSTEM: {marks.SUMMARY_HEADING} It is about buses." == quoted((mark, *SAID), {}, 2000).splitlines()[0]


def test_without_a_model_the_latest_lines_have_room_however_long_the_summary_before_is() -> None:
    mark = marks.mark("summary", SAID[-1], f"{marks.SUMMARY_HEADING}\n{'old ' * 900}", id_="m", at=1.0)
    text = plain((mark, *(_saying(f"say {n} " * 90) for n in range(99))), {}, 1000)
    assert len(text) <= 1000
    assert "user: say 98" in text
    assert "user: say 97" in text


def test_a_summary_without_end_is_cut_between_words() -> None:
    assert "short" == bounded("short", 100)
    assert len(bounded("word " * 9000, 100)) <= 100
    assert bounded("word " * 9000, 100).endswith("word…")
