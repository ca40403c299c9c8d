"""What can be told of a route beside its path and docstring: the form of the entries of `thane.http.openapi.table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"

type Type = Any
"""A class or a type expression that msgspec makes a schema of, or a tuple of those, of which it is one."""


class Query(msgspec.Struct, frozen=True):
    """A parameter of the query. A list may be repeated or comma separated."""

    name: str
    meaning: str
    type: Literal["string", "integer", "array"] = "string"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is that of 200, or of the first of `statuses`. `streams` is the media type of an answer that is no JSON
    (in pieces, or a file), beside `answer` or alone. `example` is a request body that works."""

    title: str
    body: Type = None
    answer: Type = None
    streams: str = ""
    query: tuple[Query, ...] = ()
    statuses: Mapping[int, str] = msgspec.field(default_factory=lambda: {200: "Done."})
    errors: Mapping[int, str] = msgspec.field(default_factory=dict[int, str])
    example: Mapping[str, Any] | None = None


HTML = "text/html"
MARKDOWN = "text/markdown"
GZIP = "application/gzip"
LIMIT = Query("limit", "How many at most.", "integer")
CURSOR = Query("cursor", "The `next` of the page before.")
