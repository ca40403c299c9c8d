"""Which entities a command means: the name, area, floor, domain and class of Home Assistant's intents.

The order of the filters, the reasons and their wording are those of Home Assistant (`homeassistant.helpers.intent`,
2026.11), so that a model that knows its answers knows ours. Pure: entities and areas in, entities out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from thane.home.house import Area, Entity

type Reason = Literal[
    "NAME",
    "AREA",
    "FLOOR",
    "DOMAIN",
    "DEVICE_CLASS",
    "FEATURE",
    "STATE",
    "INVALID_AREA",
    "INVALID_FLOOR",
    "DUPLICATE_NAME",
    "MULTIPLE_TARGETS",
]

_WORDS: dict[Reason, str] = {
    "NAME": "No entities matched the name",
    "AREA": "No entities were in the area",
    "FLOOR": "No entities were on the floor",
    "DOMAIN": "No entities matched the domain",
    "DEVICE_CLASS": "No entities matched the device class",
    "FEATURE": "No entities supported the required features",
    "STATE": "No entities were in the required state",
    "INVALID_AREA": "The area does not exist",
    "INVALID_FLOOR": "The floor does not exist",
    "DUPLICATE_NAME": "Multiple entities share the name",
    "MULTIPLE_TARGETS": "Multiple entities matched, but a single target is required",
}


class Wanted(msgspec.Struct, frozen=True):
    """What the entities must be; what is empty does not matter. `features` are bits of `supported_features`."""

    name: str = ""
    area: str = ""
    floor: str = ""
    domains: tuple[str, ...] = ()
    device_classes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    features: int = 0
    single: bool = False

    @property
    def names_something(self) -> bool:
        return self != Wanted()


class MatchError(Exception):
    """No entity, or not a clear one, is what was wanted. `str()` of it is Home Assistant's sentence."""

    def __init__(self, reason: Reason, wanted: Wanted) -> None:
        super().__init__(_describe(reason, wanted))
        self.reason: Reason = reason
        self.wanted = wanted


class Matched(msgspec.Struct, frozen=True):
    """The entities, in the house's order, and the areas or floors that were named."""

    entities: tuple[Entity, ...]
    areas: tuple[Area, ...] = ()
    floors: tuple[str, ...] = ()


def match(
    entities: Iterable[Entity],
    areas: Sequence[Area],
    wanted: Wanted,
    *,
    preferred_area: str = "",
    duplicates: bool = False,
) -> Matched:
    """The entities that are wanted. Raises MatchError with the reason.

    `preferred_area` is where the speaker is (an area's name or id): it decides between entities of one name, and
    which single one is meant. `duplicates` allows several entities of one name.
    """
    found = list(entities)

    def keep(reason: Reason, chosen: list[Entity]) -> list[Entity]:
        if not chosen:
            raise MatchError(reason, wanted)
        return chosen

    if wanted.domains:
        found = keep("DOMAIN", [e for e in found if e.domain in wanted.domains])
    if wanted.states:
        found = keep("STATE", [e for e in found if e.state in wanted.states])
    if wanted.name:
        found = keep("NAME", [e for e in found if has_name(e, wanted.name)])
    if wanted.features:
        found = keep("FEATURE", [e for e in found if supports(e, wanted.features)])
    if wanted.device_classes:
        found = keep("DEVICE_CLASS", [e for e in found if e.attributes.get("device_class") in wanted.device_classes])
    on_floor = find_floor(areas, wanted.floor) if wanted.floor else ()
    if wanted.floor:
        ids = {area.id for area in _some("INVALID_FLOOR", on_floor, wanted)}
        found = keep("FLOOR", [e for e in found if e.area in ids])
    named = find_areas(areas, wanted.area) if wanted.area else ()
    if wanted.area:
        ids = {area.id for area in _some("INVALID_AREA", named, wanted)}
        found = keep("AREA", [e for e in found if e.area in ids])
    near = find_areas(areas, preferred_area) if preferred_area else ()
    if wanted.name and not duplicates:
        found = _one(found, near, "DUPLICATE_NAME", wanted)
    elif wanted.single:
        found = _one(found, near, "MULTIPLE_TARGETS", wanted)
    return Matched(tuple(found), named, tuple(dict.fromkeys(area.floor for area in on_floor)))


def _some(reason: Reason, areas: tuple[Area, ...], wanted: Wanted) -> tuple[Area, ...]:
    if not areas:
        raise MatchError(reason, wanted)
    return areas


def _one(found: list[Entity], near: tuple[Area, ...], reason: Reason, wanted: Wanted) -> list[Entity]:
    if len(found) == 1:
        return found
    ids = {area.id for area in near}
    here = [entity for entity in found if entity.area in ids]
    if len(here) != 1:
        raise MatchError(reason, wanted)
    return here


def same(one: str, other: str) -> bool:
    """Whether two names are the same, as people say them."""
    return one.strip().casefold() == other.strip().casefold()


def has_name(entity: Entity, name: str) -> bool:
    """Whether the entity is called so, by its id, its name or an alias."""
    return entity.id == name or any(same(known, name) for known in (entity.name, *entity.aliases))


def supports(entity: Entity, features: int) -> bool:
    return int(entity.attributes.get("supported_features") or 0) & features == features


def find_areas(areas: Iterable[Area], name: str) -> tuple[Area, ...]:
    """The areas of that id, name or alias."""
    return tuple(a for a in areas if a.id == name or any(same(known, name) for known in (a.name, *a.aliases)))


def find_floor(areas: Iterable[Area], name: str) -> tuple[Area, ...]:
    """The areas on the floor of that name."""
    return tuple(area for area in areas if area.floor and same(area.floor, name))


def _describe(reason: Reason, wanted: Wanted) -> str:
    given = [
        f"{label} {value!r}"
        for label, value in (("name", wanted.name), ("area", wanted.area), ("floor", wanted.floor))
        if value
    ]
    given += [
        f"{label} {', '.join(sorted(values))}"
        for label, values in (
            ("domains", wanted.domains),
            ("device classes", wanted.device_classes),
            ("states", wanted.states),
        )
        if values
    ]
    if wanted.features:
        given.append(f"features {wanted.features}")
    return _WORDS[reason] + (f" (given {', '.join(given)})" if given else "")
