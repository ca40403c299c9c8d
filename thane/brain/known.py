"""What the brain knows of a house: names, kinds and places, and states where they are told.

It comes from Thane's own house or from a client's prompt (`thane.brain.overview`); recognition does not care which.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property

import msgspec

from thane.home.house import Area, Entity
from thane.home.match import same
from thane.turn import JSON


class KnownEntity(msgspec.Struct, frozen=True):
    """One device. The first name is the main one; `areas` are the names of its one area. `state` None is not known."""

    names: tuple[str, ...]
    domain: str
    areas: tuple[str, ...] = ()
    state: str | None = None
    attributes: JSON = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.names[0]

    def called(self, name: str) -> bool:
        return any(same(known, name) for known in self.names)

    def stands_in(self, area: str) -> bool:
        return any(same(known, area) for known in self.areas)


@dataclass(frozen=True)
class Known:
    """A house as far as it is known. `areas` are the names of each area; `area` is where the speaker is, or ""."""

    entities: tuple[KnownEntity, ...] = ()
    areas: tuple[tuple[str, ...], ...] = ()
    floors: tuple[tuple[str, tuple[str, ...]], ...] = ()  # a floor's name, the main names of its areas
    area: str = ""

    @cached_property
    def words(self) -> Hashable:
        """All that recognition depends on, to keep what was built from it. States are not part of it."""
        return tuple((e.names, e.domain, e.areas) for e in self.entities), self.areas, self.floors

    def named(self, name: str) -> tuple[KnownEntity, ...]:
        return tuple(entity for entity in self.entities if entity.called(name))


def know_house(entities: Iterable[Entity], areas: Iterable[Area], area: str = "") -> Known:
    """Thane's own house. `area` is the speaker's, by name, id or alias."""
    by_id = {place.id: (place.name, *place.aliases) for place in areas}
    floors: dict[str, list[str]] = {}
    for place in areas:
        if place.floor:
            floors.setdefault(place.floor, []).append(place.name)
    here = next((p.name for p in areas if p.id == area or any(same(n, area) for n in by_id[p.id])), area)
    return Known(
        tuple(
            KnownEntity((e.name, *e.aliases), e.domain, by_id.get(e.area, ()), e.state, e.attributes) for e in entities
        ),
        tuple(by_id.values()),
        tuple((floor, tuple(names)) for floor, names in floors.items()),
        here,
    )
