"""The tool that tells the states of the house as they are now, in Home Assistant's words and form.

The form is the answer of its `GetLiveContext` (2026.11): a header line and a YAML list of names, domain, state, areas
and the attributes that matter.
"""

from __future__ import annotations

import msgspec
import trio
import yaml

from thane.home.house import Area, Entity, House
from thane.home.match import MatchError, Wanted, find_areas, match
from thane.tools.results import failed, told
from thane.tools.tool import ToolContext, ToolResult
from thane.turn import JSON, ToolSpec

HEADER = "Live Context: An overview of the areas and the devices in this smart home:"
_ATTRIBUTES = (
    "temperature",
    "current_temperature",
    "temperature_unit",
    "brightness",
    "humidity",
    "unit_of_measurement",
    "device_class",
    "current_position",
    "percentage",
    "volume_level",
    "media_title",
    "media_artist",
    "media_album_name",
)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml is optional in PyYAML


class Filter(msgspec.Struct, frozen=True):
    name: str | None = None
    domain: tuple[str, ...] | str | None = None
    area: str | None = None


class LiveContext:
    """`GetLiveContext`: the states of entities, by name, domain and area."""

    spec = ToolSpec(
        "GetLiveContext",
        "Tells the current state, value or mode of devices, sensors and areas. "
        "Use it for every question about how things are now; filter by name, domain or area.",
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Only entities of this name."},
                "domain": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Only these kinds, such as light, sensor or climate.",
                },
                "area": {"type": "string", "description": "Only entities in this area."},
            },
        },
    )

    def __init__(self, house: House) -> None:
        self._house = house

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:  # noqa: ARG002  every tool takes it
        try:
            wanted = _wanted(msgspec.convert(arguments, Filter, strict=False))
        except msgspec.ValidationError as error:
            return failed("InvalidSlotInfo", f"Received invalid slot info for GetLiveContext: {error}")
        areas = self._house.areas()
        try:
            found = match(self._house.entities(), areas, wanted, duplicates=True).entities
        except MatchError as error:
            return failed("MatchFailedError", _explain(error))
        return told({"result": await trio.to_thread.run_sync(render_states, found, areas)})


def _wanted(given: Filter) -> Wanted:
    domains = (given.domain,) if isinstance(given.domain, str) else given.domain or ()
    return Wanted(
        name=(given.name or "").strip(),
        area=(given.area or "").strip(),
        domains=tuple(d for domain in domains if (d := domain.strip().lower())),
    )


def _explain(error: MatchError) -> str:
    wanted = error.wanted
    match error.reason:
        case "INVALID_AREA":
            return f"Area '{wanted.area}' does not exist"
        case "NAME":
            return f"No exposed entities matched name '{wanted.name}'"
        case "AREA":
            return f"No exposed entities found in area '{wanted.area}'"
        case "DOMAIN":
            return f"No exposed entities found in domain(s): {', '.join(wanted.domains)}"
        case _:
            return "No entities matched the provided filter"


def render_states(entities: tuple[Entity, ...], areas: tuple[Area, ...]) -> str:
    """The header and the YAML list, by name. Takes some milliseconds for hundreds of entities."""
    listed = [_describe(entity, areas) for entity in sorted(entities, key=lambda entity: entity.name)]
    text: str = yaml.dump(listed, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return f"{HEADER}\n{text.replace(': null\n', ':\n')}"


def _describe(entity: Entity, areas: tuple[Area, ...]) -> JSON:
    described: JSON = {
        "names": ", ".join((entity.name, *entity.aliases)),
        "domain": entity.domain,
        "state": entity.state,
    }
    if entity.area and (found := find_areas(areas, entity.area)):
        described["areas"] = ", ".join((found[0].name, *sorted(found[0].aliases)))
    if attributes := _attributes(entity):
        described["attributes"] = attributes
    return described


def _attributes(entity: Entity) -> JSON:
    kept = {name: entity.attributes[name] for name in _ATTRIBUTES if name in entity.attributes}
    brightness = kept.get("brightness")
    if entity.domain == "light" and isinstance(brightness, int):
        kept["brightness_pct"] = max(round(brightness / 2.55), min(brightness, 1))
    return {name: str(value) if isinstance(value, int) else value for name, value in kept.items()}
