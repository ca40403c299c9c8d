"""The parts of a checkpoint on their way to the database: on disk beyond a few megabytes.

A checkpoint has a part for each conversation, and the first one of a large archive packs all of them; held in memory,
that would stay with the process as a heap full of holes. Blocks on disk; for use from one thread at a time. What nobody
closes, since the one who waited for it was cancelled, closes when it is let go.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Mapping
from typing import Self

import msgspec

type PartRow = tuple[str, str, str, str, int]
"""Kind, name, hash, stamp and number of rows of a part."""

_IN_MEMORY = 262_144  # bytes; more would come and go as holes in the heap


class Spool(Mapping[str, bytes]):
    """Blobs by hash, each written once. To be closed."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 closed by `close`
        self._close = weakref.finalize(self, self._file.close)
        self._places: dict[str, tuple[int, int]] = {}
        self.size = 0

    def add(self, hash_: str, body: bytes) -> None:
        if hash_ in self._places:
            return
        self._file.seek(self.size)
        self._file.write(body)
        self._places[hash_] = self.size, len(body)
        self.size += len(body)

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, hash_: str) -> bytes:
        start, length = self._places[hash_]
        self._file.seek(start)
        return self._file.read(length)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Parts:
    """What the parts of a checkpoint are, without what is in them, in the order in which they came. To be closed.

    It may be gone through again and again, one at a time, once all are there.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 closed by `close`
        self._close = weakref.finalize(self, self._file.close)
        self._decoder = msgspec.json.Decoder(tuple[str, str, str, str, int])

    def add(self, part: PartRow) -> None:
        self._file.write(msgspec.json.encode(part) + b"\n")

    def close(self) -> None:
        self._close()

    def __iter__(self) -> Iterator[PartRow]:
        self._file.seek(0)
        for line in self._file:
            yield self._decoder.decode(line)
