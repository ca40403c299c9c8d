"""Runs the suites and prints one table; ends with 1 when anything failed."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.conformance import places
from tests.conformance.places import BRAINS, Brain
from tests.conformance.suites import ROOT, SUITES, Place
from tests.conformance.table import Row, as_markdown, as_text

_PAGE = ROOT / "docs" / "conformance.md"
_BEGIN, _END = "<!-- begin last run -->", "<!-- end last run -->"
_SAID_CHARACTERS = 1500


def run(names: list[str], brains: list[Brain], folder: Path) -> list[Row]:
    """Each suite with each brain; a Thane of its own for each of both, so that none meets what another left."""
    rows: list[Row] = []
    for brain in brains:
        for name in names:
            if brain not in SUITES[name].brains:
                continue
            place = folder / brain / name
            with places.running(brain, place / "thane") as thane:
                row = SUITES[name].run(Place(thane, brain, place), name)
            rows.append(row)
            _tell(row)
    return rows


def _tell(row: Row) -> None:
    print(f"{row.suite} ({row.brain}): {row.count('passed')} passed, {row.count('failed')} failed", flush=True)
    for check in row.checks:
        if check.outcome == "failed":
            print(f"--- {check.name}\n{check.said[-_SAID_CHARACTERS:]}", flush=True)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="just conformance", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)}; none means all")
    parser.add_argument("--brain", choices=BRAINS, action="append", help="only with this brain; may be repeated")
    parser.add_argument("--times", type=int, default=1, help="how often, one after the other")
    parser.add_argument("--write", action="store_true", help="write the table into docs/conformance.md")
    parser.add_argument("--keep", type=Path, help="keep reports and logs in this folder")
    arguments = parser.parse_args()
    names = arguments.suites or list(SUITES)
    if unknown := set(names) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="thane-conformance-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    try:
        for turn in range(arguments.times):
            rows = run(names, arguments.brain or list(BRAINS), folder / str(turn))
            print(f"\n{as_text(rows)}\n", flush=True)
            if not all(row.is_green for row in rows):
                return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    if arguments.write:
        head, _, rest = _PAGE.read_text().partition(_BEGIN)
        _PAGE.write_text(f"{head}{_BEGIN}\n\n{as_markdown(rows)}\n\n{_END}{rest.partition(_END)[2]}")
    return 0


sys.exit(main())
