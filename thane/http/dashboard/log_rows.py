"""Log lines as rows of a table, and the choice of their least level. Everything in them is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

import msgspec

from thane.http.dashboard import words
from thane.http.dashboard.drawing import Sign
from thane.journal.line import NAMES, LogLine

LEVELS = ("debug", "info", "warning", "error")
"""What a reader may choose from."""

_SIGNS: dict[str, Sign] = {"error": "error", "critical": "error", "warning": "warn"}
_LONGEST = 300  # characters of the attributes in a row


class LogRow(msgspec.Struct, frozen=True):
    """`more` are the attributes in one line; `run` is the id of its run, "" for none; `sign` marks what went wrong."""

    time: str
    level: str
    sign: str
    subsystem: str
    message: str
    more: str
    run: str


def log_rows(lines: Iterable[LogLine], zone: tzinfo | None) -> list[LogRow]:
    """A row for each line, in their order."""
    return [_row(line, zone) for line in lines]


def chosen_level(name: str, default: str = "info") -> str:
    """A level that was asked for, or the default in place of one that there is not."""
    return name if name in LEVELS else default


def _row(line: LogLine, zone: tzinfo | None) -> LogRow:
    name = NAMES.get(line.level, str(line.level))
    told = {"tool": line.tool, "model": line.model}
    more = [f"{key} {value}" for key, value in told.items() if value]
    more += [f"{key} {_short(value)}" for key, value in _attributes(line).items() if key != "loop"]
    text = words.clean(" · ".join(more))
    return LogRow(
        time=words.of_day(line.at, zone, "%H:%M:%S"),
        level=name,
        sign=_SIGNS.get(name, ""),
        subsystem=line.subsystem,
        message=words.clean(line.message),
        more=text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…",
        run=line.run_id,
    )


def _attributes(line: LogLine) -> dict[str, object]:
    try:
        return msgspec.json.decode(line.attributes, type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def _short(value: object) -> str:
    """The last line of a text that has several: of a traceback, what was raised."""
    return value.strip().rpartition("\n")[2] if isinstance(value, str) else str(value)
