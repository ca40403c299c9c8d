"""Tools by name and by capability."""

from __future__ import annotations

import pytest

from tests.agent.stage import Lamp
from thane.tools.tool import ToolRegistry


def test_tags_choose_tools_and_those_that_have_none_always_come_along() -> None:
    registry = ToolRegistry([Lamp("clock")])
    registry.register(Lamp("lamp"), "home")
    registry.register(Lamp("note"), "memory", "home")
    registry.register(Lamp("ask"), "delegation")

    def names(*tags: str) -> list[str]:
        return [spec.name for spec in registry.specs(tags)]

    assert ["clock", "lamp", "note", "ask"] == names()
    assert ["clock", "lamp", "note"] == names("home")
    assert ["clock", "note", "ask"] == names("memory", "delegation")
    assert ["clock"] == names("nothing of the kind")


def test_a_name_is_given_once() -> None:
    registry = ToolRegistry([Lamp("lamp")])
    with pytest.raises(ValueError, match="'lamp'"):
        registry.register(Lamp("lamp"), "home")
