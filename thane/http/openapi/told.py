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
    """A parameter of the query. A list may be repeated or comma separated; anything else is given once.

    `words` are further ones of JSON Schema, of a list those of what is in it. Where it is not `required`, an empty
    value is as good as none.
    """

    name: str
    meaning: str
    type: Literal["string", "integer", "number", "array"] = "string"
    words: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])
    required: bool = False


def one_of(name: str, meaning: str, *choices: str) -> Query:
    """A parameter that is one of some words."""
    return Query(name, meaning, words={"enum": list(choices)})


def moment(name: str, meaning: str, *, required: bool = False) -> Query:
    """A parameter that is a time in RFC 3339."""
    return Query(name, meaning, words={"format": "date-time"}, required=required)


def count(name: str, meaning: str, least: int = 0) -> Query:
    """A parameter that is a whole number, not below `least`."""
    return Query(name, meaning, "integer", {"minimum": least})


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is that of 200, or of the first of `statuses`. `streams` is the media type of an answer that is no JSON
    (in pieces, or a file), beside `answer` or alone; `file` is that of a request body that is no JSON. `example` is a
    request body that works. `path` has further words of JSON Schema for the parameters of the path."""

    title: str
    body: Type = None
    answer: Type = None
    streams: str = ""
    file: str = ""
    query: tuple[Query, ...] = ()
    path: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict[str, Mapping[str, Any]])
    statuses: Mapping[int, str] = msgspec.field(default_factory=lambda: {200: "Done."})
    errors: Mapping[int, str] = msgspec.field(default_factory=dict[int, str])
    example: Mapping[str, Any] | None = None


HTML = "text/html"
MARKDOWN = "text/markdown"
GZIP = "application/gzip"
LIMIT = count("limit", "How many at most.", 1)
CURSOR = Query("cursor", "The `next` of the page before.", words={"format": "cursor"})
