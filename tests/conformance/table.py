"""What the suites found, as one table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import msgspec

type Outcome = Literal["passed", "failed", "skipped"]


_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What Schemathesis writes into its report all the same, and no parser takes (XML 1.0, 2.2)."""


class Check(msgspec.Struct, frozen=True):
    """One check of a suite. `said` is why it failed or was skipped."""

    name: str
    outcome: Outcome
    said: str = ""


class Row(msgspec.Struct, frozen=True):
    """A suite that has run. `trouble` is why it could not be run, or did not end well."""

    suite: str
    brain: str
    checks: tuple[Check, ...]
    seconds: float
    trouble: str = ""

    def count(self, outcome: Outcome) -> int:
        return sum(check.outcome == outcome for check in self.checks)

    @property
    def is_green(self) -> bool:
        """Something was checked, and nothing failed."""
        return not self.trouble and self.count("passed") > 0 and not self.count("failed")

    @property
    def skips(self) -> Counter[str]:
        """How many checks were skipped for each reason."""
        return Counter(check.said for check in self.checks if check.outcome == "skipped")


def read_junit(path: Path) -> tuple[Check, ...]:
    """The checks of a JUnit report, as pytest and Schemathesis write it."""
    checks: list[Check] = []
    text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", path.read_text(errors="replace"))
    for case in ElementTree.fromstring(text).iter("testcase"):
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        outcome, said = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, said = "failed", "\n".join(filter(None, (said, child.get("message"), child.text)))
            elif child.tag == "skipped" and outcome == "passed":
                outcome, said = "skipped", _reason(child.get("message") or child.text or "no reason given")
        checks.append(Check(name, outcome, said))
    return tuple(checks)


def _reason(text: str) -> str:
    """A reason on one line, without what tests add to it about themselves."""
    return re.sub(r"\s+", " ", text).strip()


_HEAD = ("suite", "brain", "checks", "passed", "failed", "skipped", "seconds")


def _cells(row: Row) -> tuple[str, ...]:
    counts = [str(row.count(outcome)) for outcome in ("passed", "failed", "skipped")]
    return row.suite, row.brain, str(len(row.checks)), *counts, f"{row.seconds:.0f}"


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal, with the reasons of skips and troubles below."""
    lines = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    shown = ["  ".join(_set(cell, widths[i], left=i < 2) for i, cell in enumerate(line)).rstrip() for line in lines]
    shown.insert(1, "  ".join("─" * width for width in widths))
    shown += ["", *_below(rows)] if any(True for _ in _below(rows)) else []
    return "\n".join(shown)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for the documentation."""
    lines = [_HEAD, ("---", "---", *["---:"] * (len(_HEAD) - 2)), *map(_cells, rows)]
    return (
        "\n".join("| " + " | ".join(line) + " |" for line in lines)
        + "\n\n"
        + "\n".join(f"- {line}" for line in _below(rows))
    )


def _below(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        if row.trouble:
            yield f"{row.suite} ({row.brain}): {row.trouble}"
        for reason, number in row.skips.most_common():
            yield f"{row.suite} ({row.brain}), {number} skipped: {reason}"


def _set(cell: str, width: int, *, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)
