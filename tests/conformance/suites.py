"""The suites: what each runs, and with which brains."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.conformance import openai_source, openapi
from tests.conformance.places import Brain
from tests.conformance.table import Check, Row, read_junit
from tests.e2e.program import Program

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_SUITE_SECONDS = 480


class Place(msgspec.Struct, frozen=True):
    """Where a suite runs: the running Thane, and a folder for what it leaves."""

    thane: Program
    brain: Brain
    folder: Path


def _pytest(place: Place, name: str, arguments: Sequence[str], cwd: Path, extra: Mapping[str, str]) -> Row:
    """Run pytest in a process of its own, and read what it found."""
    report = place.folder / f"{name}.xml"
    environment = os.environ | {
        "THANE_NATIVE": place.thane.native,
        "THANE_OLLAMA": place.thane.ollama,
        "THANE_BRAIN": place.brain,
        **extra,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(HERE / "pytest.ini"), f"--junitxml={report}"]
    return _run(place, name, [*command, *arguments], report, cwd, environment)


def _run(place: Place, name: str, command: Sequence[str], report: Path, cwd: Path, environment: dict[str, str]) -> Row:
    began = time.monotonic()
    log = place.folder / f"{name}.log"
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                command, cwd=cwd, env=environment, stdout=out, stderr=out, check=False, timeout=_SUITE_SECONDS
            ).returncode
        except subprocess.TimeoutExpired:  # its report is then empty, or half written
            return Row(name, place.brain, (), time.monotonic() - began, f"it took longer than {_SUITE_SECONDS} s")
    checks: tuple[Check, ...] = read_junit(report) if report.exists() else ()
    row = Row(name, place.brain, checks, time.monotonic() - began)
    if place.thane.process.poll() is not None:
        return msgspec.structs.replace(row, trouble=f"Thane ended with {place.thane.process.returncode}")
    if code and not row.count("failed"):
        return msgspec.structs.replace(row, trouble=f"ended with {code}: {log.read_text()[-2000:]}")
    return row


def _checks(*files: str) -> Callable[[Place, str], Row]:
    """A suite of modules of this package. With the embedded brain, without those that need a script."""

    def run(place: Place, name: str) -> Row:
        chosen = [] if place.brain == "fake" else ["-m", "not script"]
        return _pytest(
            place,
            name,
            [f"--rootdir={ROOT}", f"--confcutdir={HERE}", *chosen, *(str(HERE / file) for file in files)],
            ROOT,
            {},
        )

    return run


def _openai(place: Place, name: str) -> Row:
    source = openai_source.brought(ROOT / ".cache" / "conformance")
    extra = {"TEST_API_BASE_URL": f"{place.thane.native}/v1", "PYTHONPATH": str(HERE)}
    arguments = [f"--rootdir={source}", *openai_source.arguments()]
    return _pytest(place, name, arguments, source, extra)


def _openapi(place: Place, name: str) -> Row:
    rows: list[Row] = []
    for port, url in (("native", place.thane.native), ("ollama", place.thane.ollama)):
        report = place.folder / f"{name}-{port}.xml"
        row = _run(
            place,
            f"{name}-{port}",
            openapi.command(url, report),
            report,
            place.folder,
            os.environ | openapi.environment(),
        )
        rows.append(row)
    return Row(
        name,
        place.brain,
        tuple(check for row in rows for check in row.checks),
        sum(row.seconds for row in rows),
        "; ".join(filter(None, (row.trouble for row in rows))),
    )


class Suite(msgspec.Struct, frozen=True):
    """A suite by its name, with what it is in a few words."""

    what: str
    run: Callable[[Place, str], Row]
    brains: tuple[Brain, ...] = ("fake", "embedded")


_WIRE = ("check_wire_ollama.py", "check_wire_openai.py", "check_wire_framing.py")

SUITES: dict[str, Suite] = {
    "wire": Suite("the contract's rows on the raw wire", _checks(*_WIRE)),
    "clients": Suite(
        "the official clients of Ollama, OpenAI and Anthropic, Python and Node", _checks("check_clients.py")
    ),
    "langchain": Suite("LangChain's standard tests, by both APIs", _checks("check_langchain.py")),
    "openai": Suite("openai-python's own tests of the resources that Thane serves", _openai, ("fake",)),
    "openapi": Suite("Schemathesis, by the OpenAPI documents of both ports", _openapi),
}
