"""What a house is to the rest of Thane: entities in areas, and services that change them.

The demo home is one; the Home Assistant link will be another, so names and shapes are Home Assistant's: entity ids,
domains, states as strings, services as `light.turn_on`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from thane.errors import DependencyError
from thane.turn import JSON


class Area(msgspec.Struct, frozen=True):
    id: str
    name: str
    floor: str = ""
    aliases: tuple[str, ...] = ()


class Entity(msgspec.Struct, frozen=True):
    """One device as it is now. `area` is an area's id, or "". `changed_at` is seconds since the epoch."""

    id: str  # light.kitchen_lights
    name: str  # Kitchen Lights
    state: str
    area: str = ""
    attributes: JSON = msgspec.field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    changed_at: float = 0.0
    changed_by: str = ""  # id of the run that changed it last, if one did

    @property
    def domain(self) -> str:
        return self.id.partition(".")[0]


class HouseError(DependencyError):
    """The house could not do it: unknown service, bad data, no link. The message is fit for a person."""


class House(Protocol):
    """Snapshot reads are synchronous and never block; changes are published as events of source `home`."""

    @property
    def name(self) -> str:
        """`demo` or `homeassistant`."""
        ...

    def areas(self) -> tuple[Area, ...]: ...

    def entities(self) -> tuple[Entity, ...]:
        """All exposed entities, in a stable order."""
        ...

    def entity(self, entity_id: str) -> Entity | None: ...

    async def call_service(
        self, domain: str, service: str, entity_ids: Iterable[str], data: JSON | None = None, *, run_id: str = ""
    ) -> tuple[Entity, ...]:
        """Call `domain.service` on entities; returns them as they are afterwards. Raises `HouseError`."""
        ...
