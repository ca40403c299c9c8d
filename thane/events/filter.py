"""Which events a subscriber wants to see, and how a request says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from thane.errors import ClientError
from thane.events.event import KINDS, Event, Source


class EventFilter(msgspec.Struct, frozen=True):
    """What is empty matches everything; what is not must hold the event's. An event without the id does not match."""

    sources: frozenset[Source] = frozenset()
    kinds: frozenset[str] = frozenset()
    loop_id: str = ""
    conversation_id: str = ""
    run_id: str = ""

    def matches(self, event: Event) -> bool:
        return (
            (not self.sources or event.source in self.sources)
            and (not self.kinds or event.kind in self.kinds)
            and (not self.loop_id or event.data.get("loop_id") == self.loop_id)
            and (not self.conversation_id or event.data.get("conversation_id") == self.conversation_id)
            and (not self.run_id or event.data.get("run_id") == self.run_id)
        )

    @classmethod
    def from_query(cls, query: Mapping[str, str | Sequence[str] | None]) -> EventFilter:
        """Read `sources`, `kinds` (or `source`, `kind`), `loop_id`, `conversation_id` and `run_id`; other keys are not
        looked at.

        Sources and kinds may be lists, comma separated, or both. Raises ClientError naming the valid values.
        """
        sources = _listed(query, "source", SOURCES)
        kinds = _listed(query, "kind", _KINDS)
        return cls(
            cast("frozenset[Source]", sources),
            kinds,
            _single(query, "loop_id"),
            _single(query, "conversation_id"),
            _single(query, "run_id"),
        )


EVERYTHING = EventFilter()
SOURCES: tuple[Source, ...] = tuple(KINDS)
_KINDS = tuple(kind for kinds in KINDS.values() for kind in kinds)


def _values(query: Mapping[str, Any], name: str) -> Iterable[str]:
    value = query.get(name)
    for item in [value] if isinstance(value, str) else value or ():
        yield from (part.strip() for part in item.split(",") if part.strip())


def _listed(query: Mapping[str, Any], name: str, valid: Sequence[str]) -> frozenset[str]:
    found = frozenset([*_values(query, name), *_values(query, name + "s")])
    if unknown := sorted(found.difference(valid)):
        raise ClientError(f"{name}: '{unknown[0]}' is not one of {', '.join(valid)}")
    return found


def _single(query: Mapping[str, Any], name: str) -> str:
    found = set(_values(query, name))
    if len(found) > 1:
        raise ClientError(f"{name}: give one, not {len(found)}")
    return found.pop() if found else ""
