"""From what a sentence means to the tools that do it: pure decisions over the tools that are offered.

Tools are found by the intent's name, bare or after `__`, and given only arguments that their schema has. A slot that
narrows the target is never dropped: rather nothing is done than too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from thane.brain.known import Known, KnownEntity
from thane.brain.recogniser import Recognition
from thane.turn import JSON, ToolSpec

QUERIES = ("HassGetState", "HassClimateGetTemperature", "HassGetWeather")
"""Intents that ask for states: they are answered from live context."""
ANSWERS = ("HassGetCurrentTime", "HassGetCurrentDate", "HassRespond", "HassNevermind")
"""Intents that need no tool."""
LIVE = "GetLiveContext"
OPENINGS = {"door": ("door",), "window": ("window",), "garage": ("garage_door", "garage"), "gate": ("door", "opening")}
"""Classes of covers, and those of the binary sensors that tell of the same thing."""
_NARROWING = ("domain", "device_class")
_DOMAINS = {  # of intents whose sentences do not name it
    "HassLight": ("light",),
    "HassClimate": ("climate",),
    "HassMedia": ("media_player",),
    "HassSetVolume": ("media_player",),
    "HassVacuum": ("vacuum",),
    "HassFan": ("fan",),
    "HassGetWeather": ("weather",),
}


class Step(msgspec.Struct, frozen=True):
    """One tool call and the meaning that it carries out."""

    recognition: Recognition
    tool: str
    arguments: JSON


def find_tool(tools: Iterable[ToolSpec], intent: str) -> ToolSpec | None:
    """The offered tool of that intent: its name alone (until 2026.2), or after the integration's and `__`."""
    return next((tool for tool in tools if tool.name == intent or tool.name.endswith(f"__{intent}")), None)


def doable(tools: Iterable[ToolSpec], *, states_told: bool) -> frozenset[str]:
    """The intents that can be done with these tools, or without any."""
    names = {tool.name.rpartition("__")[2] for tool in tools}
    queries = QUERIES if LIVE in names or states_told else ()
    return frozenset((*names, *queries, *ANSWERS))


def domains_of(recognition: Recognition) -> tuple[str, ...]:
    """The kinds of devices that a meaning is about, as far as it says."""
    domain = recognition.slots.get("domain")
    if isinstance(domain, str):
        return (domain,)
    if isinstance(domain, list):
        return tuple(str(item) for item in domain)
    if recognition.domain:
        return (recognition.domain,)
    return next((kinds for start, kinds in _DOMAINS.items() if recognition.intent.startswith(start)), ())


def fitting(recognition: Recognition, known: Known) -> tuple[KnownEntity, ...]:
    """The devices that a meaning without a place may be about."""
    domains = domains_of(recognition)
    wanted = recognition.slots.get("device_class")
    return tuple(
        entity
        for entity in known.entities
        if entity.domain in domains and entity.attributes.get("device_class", wanted) == wanted
    )


def place(recognition: Recognition, known: Known) -> Recognition | None:
    """A meaning that needs the speaker's area, aimed at the only device that fits; None when there is not just one."""
    if not recognition.unplaced:
        return recognition
    devices = fitting(recognition, known)
    if len(devices) != 1:
        return None
    only = devices[0].name
    slots = {name: value for name, value in recognition.slots.items() if name != "area"} | {"name": only}
    spoken = {name: words for name, words in recognition.spoken.items() if name != "area"} | {"name": only}
    return msgspec.structs.replace(
        recognition,
        slots=slots,
        spoken=spoken,
        unplaced=False,
        domain=devices[0].domain,
        response="default" if recognition.response.endswith("_area") else recognition.response,  # one, not the room's
    )


def make_step(recognition: Recognition, tools: Sequence[ToolSpec], known: Known) -> Step | None:
    """The call that does what is meant; None when no offered tool can do it in full."""
    if recognition.intent in QUERIES:
        tool = find_tool(tools, LIVE)
        return None if tool is None else Step(recognition, tool.name, _filters(recognition, tool))
    tool = find_tool(tools, recognition.intent)
    arguments = None if tool is None else _arguments(recognition, tool, known)
    return None if tool is None or arguments is None else Step(recognition, tool.name, arguments)


def _allowed(tool: ToolSpec) -> JSON | None:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else None


def _arguments(recognition: Recognition, tool: ToolSpec, known: Known) -> JSON | None:
    allowed = _allowed(tool)
    wanted: JSON = {}
    for name, value in recognition.slots.items():
        listed = name in _NARROWING and not isinstance(value, list)
        wanted[name] = [value] if listed else value
    wanted |= _sharper(recognition, known)
    if allowed is None:
        return wanted
    droppable = _NARROWING if "name" in wanted else ()
    if any(name not in allowed and name not in droppable for name in wanted):
        return None
    return {name: value for name, value in wanted.items() if name in allowed}


def _sharper(recognition: Recognition, known: Known) -> JSON:
    """What tells a named device from others of its name: its kind, or the speaker's area."""
    name = recognition.slots.get("name")
    if not isinstance(name, str):
        return {}
    others = known.named(name)
    sharper: JSON = {}
    if len({entity.domain for entity in others}) > 1 and recognition.domain:
        sharper["domain"] = [recognition.domain]
        others = tuple(entity for entity in others if entity.domain == recognition.domain)
    here = [entity for entity in others if known.area and entity.stands_in(known.area)]
    if len(others) > 1 and len(here) == 1 and not recognition.slots.keys() & {"area", "floor"}:
        sharper["area"] = known.area
    return sharper


def _filters(recognition: Recognition, tool: ToolSpec) -> JSON:
    """The narrowest filter that the tool can take; the answer is filtered again when it is read."""
    allowed = _allowed(tool) or {}
    slots = recognition.slots
    wanted: JSON = {name: slots[name] for name in ("name", "area") if name in slots}
    domains = domains_of(recognition)
    if recognition.intent == "HassClimateGetTemperature" and "name" not in slots:
        domains = ("climate", "sensor")
    if domains and "name" not in slots:
        wanted["domain"] = [*domains, "binary_sensor"] if slots.get("device_class") in OPENINGS else list(domains)
    return {name: value for name, value in wanted.items() if name in allowed}


def chosen(recognition: Recognition, entities: Iterable[KnownEntity], known: Known) -> tuple[KnownEntity, ...]:
    """The entities that a question is about, of those that live context told."""
    slots = recognition.slots
    found = list(entities)
    if "name" in slots:
        found = [entity for entity in found if entity.called(slots["name"])]
    if "name" not in slots and recognition.intent != "HassClimateGetTemperature":
        domains = (*domains_of(recognition), *(("binary_sensor",) if slots.get("device_class") in OPENINGS else ()))
        found = [entity for entity in found if not domains or entity.domain in domains]
    if "area" in slots:
        found = [entity for entity in found if entity.stands_in(slots["area"])]
    if "floor" in slots:
        rooms = next((areas for floor, areas in known.floors if floor == slots["floor"]), ())
        found = [entity for entity in found if any(entity.stands_in(room) for room in rooms)]
    if wanted := slots.get("device_class"):
        found = [entity for entity in found if _of_class(entity, wanted)]
    near = [entity for entity in found if known.area and entity.stands_in(known.area)]
    return tuple(near if "name" in slots and len(near) == 1 else found)


def _of_class(entity: KnownEntity, wanted: object) -> bool:
    kind = entity.attributes.get("device_class")
    if entity.domain == "binary_sensor":
        return kind in OPENINGS.get(str(wanted), ())
    return kind in wanted if isinstance(wanted, list) else kind == wanted
