"""The JSON document of the request that is being handled, and a count of what in it means nothing here.

A key that no route's description has is ignored, as Ollama and OpenAI do; that it is counted tells an owner why
a wish of a client has no effect. Only names are kept, never values, and of names at most `limits.ignored_keys`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog
from quart import request

from thane.http.body import read_json
from thane.wire.caller import KEYS

if TYPE_CHECKING:
    from thane.http.rooms import Rooms

_log = structlog.get_logger("thane.http")
_LONGEST_NAME = 64


class IgnoredKeys:
    """How often a key came that its route does not know. `other` counts those that came when `most` were known."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[tuple[str, str]] = Counter()
        self._other = 0

    def look(self, route: str, keys: Iterable[str]) -> None:
        """Count the keys of one request to `route` (`POST /api/chat`)."""
        known = known_keys(route)
        if known is None:
            return
        for key in keys:
            if key in known or (folds(route) and key.lower() in known):
                continue
            place = route, key[:_LONGEST_NAME]
            if place not in self._counts:
                if len(self._counts) >= self._most:
                    self._other += 1
                    continue
                _log.info("a key of requests is not known here, and ignored", route=route, key=place[1])
            self._counts[place] += 1

    def statistics(self) -> Mapping[str, object]:
        """`{"POST /api/chat":{"truncate":2},"other":0}`."""
        told: dict[str, Any] = {}
        for (route, key), count in sorted(self._counts.items()):
            told.setdefault(route, {})[key] = count
        return told | {"other": self._other}


async def read_document(rooms: Rooms) -> Any:
    """The body of the request that Quart is handling, as tolerant as Go reads it. Raises ClientError (400, 413)."""
    raw: bytes = await request.body
    document: Any = read_json(raw, limits=rooms.settings.limits, tolerant=True)
    if isinstance(document, dict):
        rooms.ignored.look(f"{request.method} {request.path}", cast("dict[str, Any]", document))
    return document


def folds(route: str) -> bool:
    """Whether a key's case does not matter, as in everything that Go reads."""
    return "/api/" in route


@cache
def known_keys(route: str) -> frozenset[str] | None:
    """What the description of a route knows; None for a route that tells of no body."""
    from thane.http.openapi.table import TABLE  # noqa: PLC0415 it describes routes that import this module

    told = TABLE.get(route)
    if told is None or told.body is None:
        return None
    kinds: tuple[Any, ...] = told.body if isinstance(told.body, tuple) else (told.body,)
    return KEYS.union(field.encode_name for kind in kinds for field in msgspec.structs.fields(kind))
