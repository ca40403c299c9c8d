"""What is made of tools is kept for the same tools, and only for those."""

from __future__ import annotations

from thane.models.tools_memo import ToolsMemo
from thane.turn import ToolSpec

LIGHT, DOOR = ToolSpec("light", "", {}), ToolSpec("door", "", {})


def test_the_same_tools_are_made_once_and_others_anew() -> None:
    asked: list[tuple[ToolSpec, ...]] = []

    def names(tools: tuple[ToolSpec, ...]) -> str:
        asked.append(tools)
        return " ".join(tool.name for tool in tools)

    memo = ToolsMemo(names)
    assert ["light door"] * 2 == [memo((LIGHT, DOOR)), memo((LIGHT, DOOR))]
    assert [(LIGHT, DOOR)] == asked
    assert ["light", "", "door light", "light door"] == [
        memo(tools) for tools in ((LIGHT,), (), (DOOR, LIGHT), (LIGHT, DOOR))
    ]


def test_a_tool_that_was_changed_is_not_taken_for_the_old_one() -> None:
    memo = ToolsMemo(lambda tools: tools[0].description)
    assert ["", "new"] == [memo((LIGHT,)), memo((ToolSpec("light", "new", {}),))]


def test_offers_that_take_turns_are_made_once_each() -> None:
    asked: list[int] = []

    def count(tools: tuple[ToolSpec, ...]) -> int:
        asked.append(len(tools))
        return len(tools)

    memo = ToolsMemo(count)
    assert [2, 1] * 3 == [memo(tools) for _ in range(3) for tools in ((LIGHT, DOOR), (LIGHT,))]
    assert [2, 1] == asked
