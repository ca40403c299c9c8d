"""Packed parts of a checkpoint on their way to the database: on disk beyond a few megabytes.

The first checkpoint of a large archive packs all of it; held in memory, that would stay with the process as a heap full
of holes. Blocks on disk; for use from one thread at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import Self

_IN_MEMORY = 2_097_152  # bytes


class Spool(Mapping[str, bytes]):
    """Blobs by hash, each written once. To be closed."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 closed by `close`
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
        self._file.close()

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
