"""Which events a subscriber wants to see, and how a request says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from thane.errors import ClientError
from thane.events.event import KINDS, Event, Source

type Wanted = str | frozenset[str]
"""One id, one of several, or any when empty."""


class EventFilter(msgspec.Struct, frozen=True):
    """An event matches when it fits every part; an empty part fits all. An event without an id fits no id."""

    sources: frozenset[Source] = frozenset()
    kinds: frozenset[str] = frozenset()
    loop_id: Wanted = ""
    conversation_id: Wanted = ""
    run_id: Wanted = ""

    def matches(self, event: Event) -> bool:
        return (
            (not self.sources or event.source in self.sources)
            and (not self.kinds or event.kind in self.kinds)
            and (not self.loop_id or _is(self.loop_id, event.data.get("loop_id")))
            and (not self.conversation_id or _is(self.conversation_id, event.data.get("conversation_id")))
            and (not self.run_id or _is(self.run_id, event.data.get("run_id")))
        )

    @classmethod
    def from_query(cls, query: Mapping[str, str | Sequence[str] | None]) -> EventFilter:
        """Read `source`, `kind`, `loop_id`, `conversation_id` and `run_id`; other names are not looked at.

        `sources`, `kinds`, `loop`, `conversation` and `run` mean the same. Each may be given several times, comma
        separated, or both. Raises ClientError, with the valid values, for a source or kind that there is not.
        """
        return cls(
            cast("frozenset[Source]", _valid("source", _values(query, "source", "sources"), SOURCES)),
            _valid("kind", _values(query, "kind", "kinds"), _ALL_KINDS),
            _values(query, "loop_id", "loop") or "",
            _values(query, "conversation_id", "conversation") or "",
            _values(query, "run_id", "run") or "",
        )


EVERYTHING = EventFilter()
SOURCES: tuple[Source, ...] = tuple(KINDS)
_ALL_KINDS = tuple(kind for kinds in KINDS.values() for kind in kinds)


def _is(wanted: Wanted, value: object) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted


def _values(query: Mapping[str, Any], *names: str) -> frozenset[str]:
    return frozenset(value for name in names for value in _split(query.get(name)))


def _split(value: str | Sequence[str] | None) -> Iterator[str]:
    for item in [value] if isinstance(value, str) else value or ():
        yield from (part.strip() for part in item.split(",") if part.strip())


def _valid(name: str, values: frozenset[str], valid: Sequence[str]) -> frozenset[str]:
    if unknown := sorted(values.difference(valid)):
        raise ClientError(f"{name}: '{unknown[0]}' is not one of {', '.join(valid)}", code="bad_filter")
    return values
