"""Log files: a new one each day, old ones packed and in the end deleted."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import msgspec
import pytest

from thane.config.settings import Logging
from thane.journal.files import LogFiles
from thane.journal.line import LogLine

DAY = 86_400.0
NOW = 1_800_000_000.0  # 2027-01-15


def write(folder: Path, message: str, now: float, limits: Logging | None = None) -> None:
    LogFiles(folder, limits or Logging()).write([LogLine(now, 20, "agent", message, run_id="r-1")], now)
    os.utime(folder / "thane.log", (now, now))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_line_is_json_with_its_ids(tmp_path: Path) -> None:
    write(tmp_path / "made", "hello", NOW)
    line = msgspec.json.decode((tmp_path / "made" / "thane.log").read_bytes())
    assert ("hello", "info", "r-1", "agent") == (line["event"], line["level"], line["run_id"], line["subsystem"])


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    write(tmp_path, "hello", NOW)
    assert 0o600 == (tmp_path / "thane.log").stat().st_mode & 0o777


def test_yesterdays_file_is_packed_under_its_day(tmp_path: Path) -> None:
    write(tmp_path, "yesterday", NOW - DAY)
    write(tmp_path, "today", NOW)
    assert ["thane-2027-01-14.log.gz", "thane.log"] == names(tmp_path)
    assert b"yesterday" in gzip.decompress((tmp_path / "thane-2027-01-14.log.gz").read_bytes())
    assert b"yesterday" not in (tmp_path / "thane.log").read_bytes()


@pytest.mark.parametrize("compress", [True, False])
def test_a_full_file_is_put_away_within_the_day_and_none_is_written_over(tmp_path: Path, compress: bool) -> None:
    limits = Logging(file_bytes=1, compress=compress)
    for message in ("one", "two", "three"):
        write(tmp_path, message, NOW, limits)
    end = ".gz" if compress else ""
    assert [f"thane-2027-01-15.1.log{end}", f"thane-2027-01-15.log{end}", "thane.log"] == names(tmp_path)


def test_old_files_are_deleted_and_strangers_are_left(tmp_path: Path) -> None:
    (tmp_path / "thane-2027-01-01.log.gz").write_bytes(b"")
    (tmp_path / "mine.log").write_bytes(b"")
    write(tmp_path, "yesterday", NOW - DAY)
    write(tmp_path, "today", NOW)
    assert ["mine.log", "thane-2027-01-14.log.gz", "thane.log"] == names(tmp_path)
