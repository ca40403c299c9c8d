"""Reading the rows of an SQLite file page by page, around what is damaged. Knows the format and nothing of Thane.

SQLite gives up a whole statement at the first page that makes no sense. Here each page is looked at by itself, after
https://www.sqlite.org/fileformat2.html: what makes sense is read, what does not is counted. Where an inner page of a
tree is damaged, its children are found by the pointer map, which a database with auto-vacuum has. Pages have no
checksums, so what is wrong but looks right is not noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

type Value = int | float | str | bytes | None

_MAGIC = b"SQLite format 3\0"
_USUAL_PAGE = 4096
_HEADER = 100  # bytes that the first page begins with
_INDEX_INNER, _TABLE_INNER, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_MAP_ROOT, _MAP_TREE = 1, 5
_MAP_ENTRY = struct.Struct(">BI")
_MOST_PAYLOAD = 1_000_000_000  # SQLite's own limit
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class Row(NamedTuple):
    """`rowid` is None in a table without. `values` are in the order in which they are stored."""

    rowid: int | None
    values: list[Value]


class Losses(msgspec.Struct):
    """What could not be read: whole pages, and rows on pages that could."""

    pages: int = 0
    rows: int = 0


class _DamagedError(Exception):
    """Something here makes no sense."""


class PageFile:
    """A database file with nothing in a log beside it. Blocks on disk."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        head = self._file.read(_HEADER)
        self.has_header = head.startswith(_MAGIC)
        size = int.from_bytes(head[16:18]) if self.has_header else _USUAL_PAGE
        self._page_size = 65536 if size == 1 else size
        if self._page_size < 512 or self._page_size & (self._page_size - 1):
            self.has_header, self._page_size = False, _USUAL_PAGE
        reserved = head[20] if self.has_header else 0
        self._usable = self._page_size - (reserved if reserved <= 32 else 0)
        self.page_count = path.stat().st_size // self._page_size
        self._seen: set[int] = set()

    def close(self) -> None:
        self._file.close()

    def number(self, offset: int) -> int:
        """A number of four bytes in the header; 0 without one."""
        self._file.seek(offset)
        return int.from_bytes(self._file.read(4)) if self.has_header else 0

    def rows(self, root: int, losses: Losses) -> Iterator[Row]:
        """The rows of the tree that begins at this page. A page is read once, whoever asks for it."""
        pending = [root]
        while pending:
            number = pending.pop()
            if number in self._seen:
                continue
            self._seen.add(number)
            try:
                page = self._page(number)
            except _DamagedError:
                losses.pages += 1
                pending += reversed(self._children.get(number, ()))
                continue
            children, found = self._read(page, losses)
            if page.lost:
                children += self._children.get(number, [])
            pending += reversed(children)
            yield from found

    def _read(self, page: _Page, losses: Losses) -> tuple[list[int], list[Row]]:
        """The pages below, and the rows on this one."""
        children, found = list[int](), list[Row]()
        for place in page.cells:
            try:
                child, row = self._cell(page, place)
            except (_DamagedError, IndexError, struct.error, UnicodeDecodeError):
                page.lost = True
                losses.rows += page.kind != _TABLE_INNER
                continue
            if page.kind in (_INDEX_INNER, _TABLE_INNER):
                children.append(child)
            if row is not None:
                found.append(row)
        if page.kind in (_INDEX_INNER, _TABLE_INNER):
            children.append(page.right)  # one that is not there is counted when it is to be read
        return children, found

    def _cell(self, page: _Page, place: int) -> tuple[int, Row | None]:
        """The page below on the left, 0 on a leaf, and the row if the cell has one."""
        child, at, body = 0, place, page.body
        if page.kind in (_INDEX_INNER, _TABLE_INNER):
            child, at = int.from_bytes(body[at : at + 4]), at + 4
            page.lost = page.lost or not 0 < child <= self.page_count
        if page.kind == _TABLE_INNER:
            return child, None
        size, at = _varint(body, at)
        rowid: int | None = None
        if page.kind == _TABLE_LEAF:
            rowid, at = _varint(body, at)
            rowid -= (rowid >> 63) << 64
        payload = self._payload(body, at, size, is_table=page.kind == _TABLE_LEAF)
        return child, Row(rowid, _values(payload))

    def _payload(self, body: bytes, at: int, size: int, *, is_table: bool) -> bytes:
        """What a cell holds, with what stands on the pages where it goes on."""
        usable = self._usable
        if not 0 < size <= _MOST_PAYLOAD or size > self.page_count * self._page_size:
            raise _DamagedError
        most = usable - 35 if is_table else (usable - 12) * 64 // 255 - 23
        if size <= most:
            here = size
        else:
            least = (usable - 12) * 32 // 255 - 23
            here = least + (size - least) % (usable - 4)
            here = here if here <= most else least
        payload = bytearray(body[at : at + here])
        if len(payload) != here or at + here > usable:
            raise _DamagedError
        following = int.from_bytes(body[at + here : at + here + 4]) if size > here else 0
        while len(payload) < size:
            if not 1 < following <= self.page_count or following in self._seen:
                raise _DamagedError
            self._seen.add(following)
            part = self._raw(following)
            following = int.from_bytes(part[:4])
            payload += part[4 : 4 + min(usable - 4, size - len(payload))]
        return bytes(payload)

    def _raw(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._page_size)
        return self._file.read(self._page_size)

    def _page(self, number: int) -> _Page:
        if not 0 < number <= self.page_count:
            raise _DamagedError
        body = self._raw(number)
        start = _HEADER if number == 1 else 0
        kind = body[start] if len(body) == self._page_size else 0
        inner = kind in (_INDEX_INNER, _TABLE_INNER)
        if not inner and kind not in (_INDEX_LEAF, _TABLE_LEAF):
            raise _DamagedError
        count = int.from_bytes(body[start + 3 : start + 5])
        first = start + (12 if inner else 8)
        if first + 2 * count > self._usable:
            raise _DamagedError
        right = int.from_bytes(body[start + 8 : start + 12]) if inner else 0
        cells = [int.from_bytes(body[at : at + 2]) for at in range(first, first + 2 * count, 2)]
        return _Page(kind, body, cells, right, inner and not 0 < right <= self.page_count)

    @cached_property
    def _children(self) -> dict[int, list[int]]:
        """By the pointer map, the pages below each page of a tree: pages that are free are in none."""
        found: dict[int, list[int]] = {}
        if self.has_header and not self.number(52):  # no auto-vacuum, so no map
            return found
        entries = self._usable // 5
        for place in range(2, self.page_count + 1, entries + 1):
            body = self._raw(place)
            for offset in range(min(entries, self.page_count - place)):
                kind, parent = _MAP_ENTRY.unpack_from(body, 5 * offset)
                if kind == _MAP_TREE:
                    found.setdefault(parent, []).append(place + 1 + offset)
        return found


class _Page:
    """`right` is the last page below, of an inner one; `lost` once something of it made no sense."""

    __slots__ = ("body", "cells", "kind", "lost", "right")

    def __init__(self, kind: int, body: bytes, cells: list[int], right: int, lost: bool) -> None:
        self.kind = kind
        self.body = body
        self.cells = cells
        self.right = right
        self.lost = lost


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = 0
    for place in range(at, at + 8):
        byte = body[place]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + 1
    return number << 8 | body[at + 8], at + 9


def _values(payload: bytes) -> list[Value]:
    """The values of a record: https://www.sqlite.org/fileformat2.html#record_format."""
    end, at = _varint(payload, 0)
    kinds: list[int] = []
    if end > len(payload):
        raise _DamagedError
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != len(payload):
        raise _DamagedError
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), at
    if kind == 7:
        return struct.unpack_from(">d", payload, at)[0], at + 8
    if kind in (10, 11):
        raise _DamagedError
    size = _INTEGERS[kind] if kind < 7 else (kind - 12) // 2
    piece = payload[at : at + size]
    if len(piece) != size:
        raise _DamagedError
    if kind < 7:
        return int.from_bytes(piece, signed=True), at + size
    return (piece.decode() if kind % 2 else piece), at + size
