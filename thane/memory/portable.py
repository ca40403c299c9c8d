"""A checkpoint as one file, to take to another machine: gzip of lines of JSON, each part with its SHA-256. Pure.

The first line is the head; then comes a line for each part. A damaged line is found by its checksum and named; the
others are taken all the same.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from thane.errors import ClientError
from thane.memory.checkpoints import CheckpointRecord, Part

FORMAT = 1
_CHUNK = 1 << 20


class _Head(msgspec.Struct, frozen=True):
    thane_checkpoint: int
    created_at: float
    trigger: str
    note: str
    parts: int


class _Line(msgspec.Struct, frozen=True):
    kind: str
    name: str
    sha256: str
    state: msgspec.Raw


class Unpacked(msgspec.Struct, frozen=True):
    """`damaged` names the parts that are missing or not what they were."""

    created_at: float
    trigger: str
    note: str
    parts: tuple[Part, ...]
    damaged: tuple[str, ...]


def pack(record: CheckpointRecord, parts: Iterable[Part]) -> bytes:
    """Parts that are damaged already are left out."""
    whole = [part for part in parts if part.state is not None]
    head = _Head(FORMAT, record.created_at, record.trigger, record.note, len(whole))
    lines = [msgspec.json.encode(head)]
    for part in whole:
        state = msgspec.json.encode(part.state, order="sorted")
        digest = _digest(part.kind, part.name, state)
        lines.append(msgspec.json.encode(_Line(part.kind, part.name, digest, msgspec.Raw(state))))
    return gzip.compress(b"\n".join(lines) + b"\n", mtime=0)


def unpack(file: bytes, most_bytes: int) -> Unpacked:
    """Raises ClientError for what is no such file, and for one that unpacks to more than `most_bytes`."""
    lines = _inflated(file, most_bytes).split(b"\n")
    try:
        head = msgspec.json.decode(lines[0], type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ClientError("this file is no checkpoint of Thane's") from None
    if head.thane_checkpoint != FORMAT:
        raise ClientError(f"this checkpoint has the form {head.thane_checkpoint}, this Thane knows {FORMAT}: update it")
    parts: list[Part] = []
    damaged: list[str] = []
    for number, line in enumerate(lines[1 : head.parts + 1], 1):
        found = _part(line)
        if found is None:
            damaged.append(f"part {number}")
        elif found.state is None:
            damaged.append(f"{found.kind} {found.name}")
        else:
            parts.append(found)
    missing = head.parts - len(parts) - len(damaged)
    if missing > 0:
        damaged.append(f"{missing} parts at the end")
    return Unpacked(head.created_at, head.trigger, head.note, tuple(parts), tuple(damaged))


def _part(line: bytes) -> Part | None:
    try:
        found = msgspec.json.decode(line, type=_Line)
        state: dict[str, list[dict[str, Any]]] = msgspec.json.decode(found.state, type=dict[str, list[dict[str, Any]]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    whole = _digest(found.kind, found.name, bytes(found.state)) == found.sha256
    return Part(found.kind, found.name, found.sha256, state if whole else None)


def _digest(kind: str, name: str, state: bytes) -> str:
    return hashlib.sha256(b"\0".join((kind.encode(), name.encode(), state))).hexdigest()


def _inflated(file: bytes, most_bytes: int) -> bytes:
    """As much as can be read: a file that was cut keeps its beginning."""
    reader, out, rest = zlib.decompressobj(wbits=31), bytearray(), file
    try:
        while rest and not reader.eof:
            out += reader.decompress(rest, _CHUNK)
            rest = reader.unconsumed_tail
            if len(out) > most_bytes:
                raise ClientError(f"the checkpoint unpacks to more than {most_bytes} bytes (checkpoints.import_bytes)")
    except zlib.error:
        if not out:
            raise ClientError("this file is no checkpoint of Thane's") from None
    return bytes(out)
