"""How the suites' reports become one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.openai_source import pinned
from tests.conformance.table import Check, Row, as_markdown, as_text, read_junit

REPORT = """<testsuites><testsuite>
<testcase classname="a.b" name="good"/>
<testcase classname="a.b" name="bad"><failure message="not so">where</failure></testcase>
<testcase classname="a.b" name="broken"><error message="no fixture"/></testcase>
<testcase name="left"><skipped message="needs
 a moon"/></testcase>
</testsuite></testsuites>"""
GOOD, BAD = Check("one", "passed"), Check("two", "failed", "because")


def test_a_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    assert (
        Check("a.b::good", "passed"),
        Check("a.b::bad", "failed", "not so\nwhere"),
        Check("a.b::broken", "failed", "no fixture"),
        Check("left", "skipped", "needs a moon"),
    ) == read_junit(path)


def test_a_report_with_what_no_xml_may_hold_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text('<testsuite><testcase name="odd"><failure message="a\x05b"/></testcase></testsuite>')
    assert (Check("odd", "failed", "a\N{REPLACEMENT CHARACTER}b"),) == read_junit(path)


@pytest.mark.parametrize(
    ("row", "green"),
    [
        (Row("s", "fake", (GOOD,), 1.0), True),
        (Row("s", "fake", (GOOD, BAD), 1.0), False),
        (Row("s", "fake", (), 1.0), False),
        (Row("s", "fake", (GOOD,), 1.0, "Thane ended with -9"), False),
    ],
)
def test_a_suite_is_green_only_when_something_passed_and_nothing_failed(row: Row, green: bool) -> None:
    assert green == row.is_green


def test_the_table_counts_and_gives_reasons() -> None:
    skips = (Check("three", "skipped", "no moon"), Check("four", "skipped", "no moon"))
    row = Row("wire", "fake", (GOOD, BAD, *skips), 2.4)
    assert ["wire", "fake", "4", "1", "1", "2", "2"] == as_text([row]).splitlines()[2].split()
    assert "wire (fake), 2 skipped: no moon" in as_text([row])
    assert "| wire | fake | 4 | 1 | 1 | 2 | 2 |" in as_markdown([row])


def test_the_source_package_is_pinned_with_its_hashes() -> None:
    lines, version = pinned()
    assert lines.startswith(f"openai=={version} ")
    assert "--hash=sha256:" in lines
