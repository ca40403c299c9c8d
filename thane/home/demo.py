"""The demo home: a believable house in memory, so that Thane can be tried before Home Assistant is linked.

It answers as the Home Assistant link does (`thane.home.house.House`); changes happen at once and are published as
events of source `home`. Not a simulator: nothing in it moves by itself, and it forgets everything at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
import trio

from thane.clock import Clock, iso
from thane.events.event import Publisher
from thane.home.demo_devices import AREAS, ENTITIES, SCENES
from thane.home.house import Area, Entity
from thane.home.services import find_service, read_data, refuse
from thane.turn import JSON

_ANY_DOMAIN = "homeassistant"  # `homeassistant.turn_on` and its kin mean the service of each entity's own domain


class DemoHome:
    """A `House` of about fifty devices. Calls are validated whole before anything changes."""

    name = "demo"

    def __init__(self, clock: Clock, events: Publisher) -> None:
        self._clock = clock
        self._events = events
        now = clock.time()
        self._entities = {entity.id: msgspec.structs.replace(entity, changed_at=now) for entity in ENTITIES}

    def areas(self) -> tuple[Area, ...]:
        return AREAS

    def entities(self) -> tuple[Entity, ...]:
        return tuple(self._entities.values())

    def entity(self, entity_id: str) -> Entity | None:
        return self._entities.get(entity_id)

    async def call_service(
        self, domain: str, service: str, entity_ids: Iterable[str], data: JSON | None = None, *, run_id: str = ""
    ) -> tuple[Entity, ...]:
        """Call `domain.service` on entities; returns them as they are afterwards.

        Raises `HouseError` for an unknown service or entity, an entity of another domain, and bad data.
        """
        await (
            trio.lowlevel.checkpoint()
        )  # as a real house would, and the only place to be cancelled: nothing is half done
        ids = tuple(dict.fromkeys(entity_ids))
        changed = self._plan(domain, service, ids, data or {})
        self._events.publish(
            "home",
            "service_called",
            domain=domain,
            service=service,
            entity_ids=list(ids),
            data=data or {},
            run_id=run_id,
        )
        for entity in changed.values():
            self._change(entity, run_id)
        return tuple(self._entities[entity_id] for entity_id in ids)

    def _plan(self, domain: str, service: str, ids: tuple[str, ...], data: JSON) -> Mapping[str, Entity]:
        """What every entity becomes, without changing any; later changes start from earlier."""
        if not ids:
            raise refuse(f"{domain}.{service} was called on no entity")
        planned: dict[str, Entity] = {}
        for entity_id in ids:
            if entity_id not in self._entities:
                raise refuse(f"there is no entity {entity_id!r} in this home")
            own = entity_id.partition(".")[0]
            if domain not in (own, _ANY_DOMAIN):
                raise refuse(f"{domain}.{service} cannot be called on {entity_id}, which is a {own}")
            for target, target_service, target_data in self._steps(entity_id, service, data):
                entity = planned.get(target, self._entities[target])
                planned[target] = _after(entity, target_service, target_data)
            if own == "scene":
                activated = iso(self._clock.time())
                planned[entity_id] = msgspec.structs.replace(self._entities[entity_id], state=activated)
        return planned

    def _steps(self, entity_id: str, service: str, data: JSON) -> Iterator[tuple[str, str, JSON]]:
        if not entity_id.startswith("scene."):
            yield entity_id, service, data
        elif service != "turn_on":
            raise refuse(f"service scene.{service} not found: scene has turn_on")
        else:
            yield from SCENES[entity_id]

    def _change(self, new: Entity, run_id: str) -> None:
        old = self._entities[new.id]
        if (old.state, old.attributes) == (new.state, new.attributes):
            return
        self._entities[new.id] = msgspec.structs.replace(new, changed_at=self._clock.time(), changed_by=run_id)
        self._events.publish(
            "home",
            "state_changed",
            entity_id=new.id,
            name=new.name,
            old_state=old.state,
            new_state=new.state,
            old_attributes=old.attributes,
            new_attributes=new.attributes,
            run_id=run_id,
        )


def _after(entity: Entity, name: str, data: JSON) -> Entity:
    service = find_service(entity.domain, name)
    state, attributes = service.change(entity, read_data(f"{entity.domain}.{name}", service, data))
    return msgspec.structs.replace(entity, state=state, attributes=attributes)
