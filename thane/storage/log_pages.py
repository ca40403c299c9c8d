"""Taking in the log beside a database that SQLite may not open. Knows the log's format; blocks on disk.

After https://www.sqlite.org/fileformat2.html#the_write_ahead_log: of the frames that belong together by their salts and
checksums, those up to the last commit are copied to their place in the file.
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, version, page size, number, two salts, two sums
_FRAME = struct.Struct(">6I")  # page, size of the database after a commit, two salts, two sums
_MAGIC = 0x377F0682  # the last bit says that the sums are of big-endian words
_WORDS = 0xFFFFFFFF


def take_in_log(database: Path, log: Path) -> bool:
    """Copy the committed pages into the database file. False when the log makes no sense."""
    with log.open("rb") as source, database.open("r+b") as target:
        head = source.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return False
        magic, _, page_size, _, *salts, first, second = _HEADER.unpack(head)
        order = ">" if magic & 1 else "<"
        sums = _sums(head[:24], (0, 0), order)
        if magic & ~1 != _MAGIC or sums != (first, second):
            return False
        waiting: dict[int, bytes] = {}
        while len(frame := source.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
            number, committed, *found, first, second = _FRAME.unpack_from(frame)
            page = frame[_FRAME.size :]
            sums = _sums(page, _sums(frame[:8], sums, order), order)
            if found != salts or sums != (first, second):
                break  # what was written before the log began anew, or not wholly
            waiting[number] = page
            if committed:
                for each, body in waiting.items():
                    target.seek((each - 1) * page_size)
                    target.write(body)
                target.truncate(committed * page_size)
                waiting.clear()
    return True


def _sums(data: bytes, before: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = before
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & _WORDS
        second = (second + words[place + 1] + first) & _WORDS
    return first, second
