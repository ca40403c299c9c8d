"""Reads what Home Assistant tells a model of its house: the overview in the system prompt, and live states.

Both are a YAML list after a header line (`homeassistant.components.homeassistant.llm`, 2025.4 to 2026.11):
`names` (aliases after commas), `domain`, `areas` (name, then aliases; may be absent), and in live context `state` and
`attributes`. Anything else in the text is not ours. Values stay text: YAML's own types would turn `on` into true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import yaml

from thane.brain.known import Known, KnownEntity

_HEADER = re.compile(r"^.*overview of the areas and the devices in .*:[ \t]*$", re.MULTILINE)
_AREA = re.compile(r"You are in area (?P<area>.+?)(?: \(floor (?P<floor>.+?)\))? and all generic commands")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is optional in PyYAML
_DEPTH = 4  # list, entity, attributes, and one more: deeper is not an overview


def find_overview(prompt: str) -> str | None:
    """The YAML list of the last overview in the text; None where there is none."""
    headers = list(_HEADER.finditer(prompt))
    if not headers:
        return None
    lines: list[str] = []
    for line in prompt[headers[-1].end() :].lstrip("\n").split("\n"):
        if not line.startswith(("- ", " ")):
            break
        lines.append(line)
    return "\n".join(lines)


def know_client(entities: tuple[KnownEntity, ...], prompt: str, area: str = "") -> Known:
    """The client's house: the entities of its overview, and where the prompt says that the speaker is, else `area`."""
    areas = tuple(dict.fromkeys(entity.areas for entity in entities if entity.areas))
    here = _AREA.search(prompt)
    area = here["area"].strip() if here else area
    if area and not any(area in names for names in areas):
        areas = (*areas, (area,))
    floors = ((here["floor"].strip(), (area,)),) if here and here["floor"] else ()
    return Known(entities, areas, floors, area)


def read_entities(listed: str, limit: int) -> tuple[KnownEntity, ...]:
    """The entities of a YAML list; what cannot be read is left out, never an error."""
    if len(listed) > limit:
        listed = listed[: max(listed.rfind("\n- ", 0, limit), 0)]
    try:
        items: object = _build(yaml.parse(listed, Loader=_Loader))
    except (yaml.YAMLError, _NotOursError, StopIteration, RecursionError):
        return ()
    entities = (_entity(item) for item in (items if isinstance(items, list) else ()))
    return tuple(entity for entity in entities if entity is not None)


class _NotOursError(Exception):
    """An alias, or nesting that no overview has."""


def _build(events: Iterable[Any]) -> object:
    stream = iter(events)
    for event in stream:
        if isinstance(event, yaml.DocumentStartEvent):
            return _node(next(stream), stream, 0)
    return None


def _node(event: Any, stream: Iterator[Any], depth: int) -> object:
    if depth > _DEPTH or isinstance(event, yaml.AliasEvent):
        raise _NotOursError
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[object] = []
        while not isinstance(event := next(stream), yaml.SequenceEndEvent):
            items.append(_node(event, stream, depth + 1))
        return items
    mapping: dict[str, object] = {}
    while not isinstance(event := next(stream), yaml.MappingEndEvent):
        key = _node(event, stream, depth + 1)
        mapping[str(key)] = _node(next(stream), stream, depth + 1)
    return mapping


def _entity(item: object) -> KnownEntity | None:
    if not isinstance(item, dict):
        return None
    fields: dict[str, Any] = item
    names, domain = _names(fields.get("names")), fields.get("domain")
    if not names or not isinstance(domain, str) or not domain:
        return None
    state, attributes = fields.get("state"), fields.get("attributes")
    return KnownEntity(
        names,
        domain,
        _names(fields.get("areas")),
        state if isinstance(state, str) else None,
        attributes if isinstance(attributes, dict) else {},
    )


def _names(value: object) -> tuple[str, ...]:
    """The names in `a, b`; the whole too, for a name that has a comma of its own."""
    if not isinstance(value, str) or not value.strip():
        return ()
    parts = [part for piece in value.split(", ") if (part := piece.strip())]
    return tuple(dict.fromkeys((*parts, value.strip())))


def read_live(content: str, limit: int) -> tuple[KnownEntity, ...] | str:
    """The entities in a result of GetLiveContext, in its forms of all versions; or its error, in its words."""
    try:
        result: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        result = {"result": content}
    data = result.get("data", result) if isinstance(result, dict) else {}
    if not isinstance(data, dict):
        data = {}
    told = data.get("result")
    if isinstance(told, str) and (listed := find_overview(told)) is not None:
        return read_entities(listed, limit)
    error = data.get("error_text") or data.get("error")
    return error if isinstance(error, str) else ""
