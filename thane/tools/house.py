"""The tools that act on Thane's own house, named and answering as Home Assistant's Assist tools do.

They go through `thane.home.house.House` alone, so the demo home and a linked Home Assistant are the same to them.
Not for a client's own house: a client runs its own tools.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thane.home.house import Entity, House, HouseError
from thane.home.match import Matched, MatchError, Wanted, match
from thane.tools.intents import INTENTS, Intent, Target
from thane.tools.live_context import LiveContext
from thane.tools.results import done, failed
from thane.tools.tool import Tool, ToolContext, ToolResult
from thane.turn import JSON, ToolSpec


def house_tools(house: House) -> tuple[Tool, ...]:
    """Every tool of the house, in a stable order."""
    return (*(IntentTool(intent, house) for intent in INTENTS), LiveContext(house))


class IntentTool:
    """One intent as a tool. Errors are results in Home Assistant's shape, never exceptions."""

    def __init__(self, intent: Intent, house: House) -> None:
        self._intent = intent
        self._house = house
        self._spec = ToolSpec(intent.name, intent.description, intent.parameters())

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        intent = self._intent
        try:
            values = msgspec.convert(_filled(arguments), intent.arguments, strict=False)
            wanted = self._wanted(values)
        except msgspec.ValidationError as error:
            return failed("InvalidSlotInfo", f"Received invalid slot info for {intent.name}: {error}")
        if not wanted.names_something:
            return failed("IntentHandleError", "Service handler cannot target all devices")
        try:
            matched = match(self._house.entities(), self._house.areas(), wanted, preferred_area=context.area)
        except MatchError as error:
            return failed("MatchFailedError", str(error))
        return await self._act(values, self._preferred(matched, wanted), context.run_id)

    def _wanted(self, values: Target) -> Wanted:
        domains = _list(values.domain)
        if not set(domains) <= set(self._intent.domains or domains):
            raise msgspec.ValidationError(f"domain must be one of {', '.join(self._intent.domains)}")
        return Wanted(
            name="" if values.name == "all" else values.name,
            area=values.area,
            floor=values.floor,
            domains=domains or self._intent.domains,
            device_classes=_list(values.device_class),
            states=self._intent.states,
            features=self._intent.features,
            single=self._intent.single,
        )

    def _preferred(self, matched: Matched, wanted: Wanted) -> Matched:
        """Of several players that were not named, only those in the preferred state, if there are any."""
        if wanted.name or not self._intent.prefer_state or len(matched.entities) < 2:
            return matched
        ready = tuple(entity for entity in matched.entities if entity.state == self._intent.prefer_state)
        return msgspec.structs.replace(matched, entities=ready) if ready else matched

    async def _act(self, values: Target, matched: Matched, run_id: str) -> ToolResult:
        """Call each service once with all its entities; what one service refuses does not stop the others."""
        groups: dict[bytes, list[Entity]] = {}
        failures: list[Entity] = []
        reasons: list[str] = []
        for entity in matched.entities:
            try:
                groups.setdefault(msgspec.json.encode(self._intent.service(entity, values)), []).append(entity)
            except ValueError as error:
                failures.append(entity)
                reasons.append(str(error))
        success: list[Entity] = []
        for key, entities in groups.items():
            domain, service, data = msgspec.json.decode(key, type=tuple[str, str, JSON])
            try:
                success += await self._house.call_service(domain, service, _ids(entities), data, run_id=run_id)
            except HouseError as error:
                failures += entities
                reasons.append(error.message)
        if not success:
            return failed("IntentHandleError", "; ".join(dict.fromkeys(reasons)))
        return done(matched, success, failures)


def _ids(entities: Sequence[Entity]) -> tuple[str, ...]:
    return tuple(entity.id for entity in entities)


def _filled(arguments: JSON) -> JSON:
    """Without the blank arguments that some models send for what they leave out."""
    return {k: v for k, v in arguments.items() if v is not None and not (isinstance(v, str) and not v.strip())}


def _list(value: tuple[str, ...] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
