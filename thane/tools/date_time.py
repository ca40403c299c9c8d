"""The tool that tells the date and the time where the house is."""

from __future__ import annotations

from datetime import datetime, tzinfo

from thane.clock import Clock
from thane.tools.results import told
from thane.tools.tool import ToolContext, ToolResult
from thane.turn import JSON, ToolSpec


class DateTime:
    """`GetDateTime`, with the fields of Home Assistant's."""

    spec = ToolSpec("GetDateTime", "Provides the current date and time.")

    def __init__(self, clock: Clock, zone: tzinfo | None) -> None:
        """`zone` None is the machine's own."""
        self._clock = clock
        self._zone = zone

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:  # noqa: ARG002  every tool takes them
        now = datetime.fromtimestamp(self._clock.time(), self._zone).astimezone(self._zone)
        return told(
            {
                "date": now.strftime("%Y-%m-%d"),
                "time": now.strftime("%H:%M:%S"),
                "timezone": now.strftime("%Z"),
                "weekday": now.strftime("%A"),
            }
        )
