from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from tests.home.doubles import StandingClock
from thane.tools.date_time import DateTime
from thane.tools.tool import Tool, ToolContext


async def test_the_time_is_told_where_the_house_is() -> None:
    tool: Tool = DateTime(StandingClock(), ZoneInfo("Europe/Amsterdam"))

    result = await tool.call({}, ToolContext("r_1", "call_1", "c_1", "api", "en"))

    assert {"date": "2026-11-23", "time": "15:05:09", "timezone": "CET", "weekday": "Monday"} == msgspec.json.decode(
        result.content
    )["data"]
    assert "GetDateTime" == tool.spec.name
