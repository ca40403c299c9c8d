"""Log files: one is written to, those before it are named by their day, packed, and deleted when they are old.

Everything here blocks; it is run in a thread. What goes wrong is the caller's to count: a disk that is full must not
stop the house.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from thane.clock import iso
from thane.config import settings
from thane.journal.line import NAMES, LogLine

CURRENT = "thane.log"
_OLD = re.compile(r"thane-(\d{4}-\d{2}-\d{2})(\.\d+)?\.log(\.gz)?")
_encode = msgspec.json.Encoder().encode


class LogFiles:
    """The files in one folder, which is made if it is missing."""

    def __init__(self, folder: Path, limits: settings.Logging) -> None:
        self._folder = folder
        self._limits = limits

    def write(self, lines: Sequence[LogLine], now: float) -> None:
        """Append lines as JSON, after putting away the file of another day or one that is full. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path, today = self._folder / CURRENT, _day(now)
        if path.exists():
            found = path.stat()
            if _day(found.st_mtime) != today or found.st_size >= self._limits.file_bytes:
                self._put_away(path, _day(found.st_mtime))
                self._delete_before(today - timedelta(days=self._limits.retention_days))
        with open(path, "ab", opener=_private) as file:
            file.write(b"".join(map(_line, lines)))

    def _put_away(self, path: Path, day: date) -> None:
        old = next(name for name in self._names(day) if not name.exists() and not _packed(name).exists())
        path.rename(old)
        if self._limits.compress:
            with (
                old.open("rb") as source,
                open(_packed(old), "wb", opener=_private) as packed,
                gzip.GzipFile(fileobj=packed, mode="wb") as target,
            ):
                shutil.copyfileobj(source, target)
            old.unlink()

    def _names(self, day: date) -> list[Path]:
        """What a day's file may be called: there is a second one only where the first was full."""
        return [self._folder / f"thane-{day}{f'.{number}' if number else ''}.log" for number in range(10_000)]

    def _delete_before(self, oldest: date) -> None:
        for path in self._folder.iterdir():
            match = _OLD.fullmatch(path.name)
            if match and date.fromisoformat(match[1]) < oldest:
                path.unlink()


def _packed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _line(line: LogLine) -> bytes:
    ids = {name: getattr(line, name) for name in ("run_id", "conversation_id", "loop_id", "tool", "model")}
    attributes = msgspec.Raw(line.attributes.encode())
    head = {"timestamp": iso(line.at), "level": NAMES.get(line.level, str(line.level)), "subsystem": line.subsystem}
    found = head | {"event": line.message} | {name: value for name, value in ids.items() if value}
    return _encode(found | ({"attributes": attributes} if line.attributes != "{}" else {})) + b"\n"
