"""What the JSON routes of the native API share: writing an answer, reading `limit`."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from quart import Response, request

from thane.clock import iso
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.http.body import read_json
from thane.http.native.query import once

_encode = msgspec.json.Encoder().encode
_TIMES = frozenset({"started_at", "created_at", "updated_at", "at"})


def answer(value: object, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(_encode(value), status, content_type="application/json; charset=utf-8")


def fields(record: msgspec.Struct) -> dict[str, Any]:
    """A record as JSON has it, at every depth: times in RFC 3339, lists for tuples."""
    return {name: _field(name, value) for name, value in msgspec.structs.asdict(record).items()}


async def given[T](kind: type[T], limits: Limits) -> T:
    """The JSON body as a `kind`, with its defaults when there is none; `null` is absent. Raises ClientError."""
    raw = await request.body
    document: Any = read_json(raw if raw.strip() else b"{}", limits=limits, tolerant=True)
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        document = {name: value for name, value in members.items() if value is not None}
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ClientError(f"invalid request: {error}", code="invalid_request") from None


def limit(default: int, most: int) -> int:
    """The query's `limit`, from 1; more than `most` is `most`. Raises ClientError for anything else."""
    given = once("limit")
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or not given.strip("0"):
        raise ClientError(f"limit: give a whole number from 1 on, not '{given}'")
    return min(int(given[:9]), most)


def _field(name: str, value: object) -> object:
    if name in _TIMES and isinstance(value, float):
        return iso(value)
    if isinstance(value, msgspec.Struct):
        return fields(value)
    if isinstance(value, tuple):
        return [_field("", each) for each in value]
    return value
