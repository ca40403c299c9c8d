"""The house's devices, area by area: what each is doing, in words, and who changed it lately.

What an area measures (temperature, humidity) and what stands open in it is said beside its name; devices that can be
told something have a row. Rows stand in the house's own order and never move. Scenes are no devices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from markupsafe import Markup

from thane.home.house import Area, Entity
from thane.http.dashboard import words
from thane.http.dashboard.device_words import change_words, state_words
from thane.http.dashboard.drawing import element_id, events_address, icon
from thane.http.dashboard.parts import Part, place
from thane.http.dashboard.recent import Cause, Change

FRESH_SECONDS = 10.0  # how long a changed device keeps its outline
SHOWN_SECONDS = 3600.0  # how long it is said who changed it

ICONS = {
    "light": "bulb",
    "climate": "thermo",
    "cover": "blind",
    "lock": "lock",
    "vacuum": "vacuum",
    "media_player": "play",
    "switch": "plug",
    "fan": "fan",
    "sensor": "gauge",
}
COLOURS = {"light": "lamp", "switch": "lamp", "fan": "lamp", "climate": "heat", "media_player": "on", "vacuum": "on"}
"""Colour class of a device that is doing something, by domain; others have none."""

AT_REST = frozenset({"off", "docked", "idle", "standby", "paused", "unavailable", "unknown", ""})
AMBIENT = frozenset({"temperature", "humidity"})


class House(msgspec.Struct, frozen=True, kw_only=True):
    """What the tiles are drawn from. `now` is epoch seconds."""

    name: str
    areas: Sequence[Area]
    entities: Sequence[Entity]
    changes: Mapping[str, Change]
    cause: Callable[[str], Cause | None]
    now: float


def house_name(name: str) -> str:
    return {"demo": "Demo home", "homeassistant": "Home Assistant"}.get(name, name)


def house_part(house: House) -> Part:
    """All areas. Each device and each area's heading is an item of the part."""
    items: dict[str, Markup] = {}
    cards: list[Markup] = []
    for area in _areas(house):
        entities = [entity for entity in house.entities if entity.area == area.id]
        rows = {element_id("tile", entity.id): _tile(entity, house) for entity in entities if _has_row(entity)}
        if not rows:
            continue
        heading = element_id("area", area.id or "none")
        items |= {heading: _heading(heading, area, entities), **rows}
        cards.append(
            Markup('<section class="card area">{}<ul class="tiles">{}</ul></section>').format(
                place(heading), Markup("").join(place(row) for row in rows)
            )
        )
    last = max((change.at for change in house.changes.values()), default=0.0)
    shell = Markup(
        '<section class="home" id="house" aria-labelledby="h-home"><header class="sec-h"><h2 id="h-home">{}</h2>'
        '<span class="meta">{}</span><span class="sp"></span>{}</header><div class="areas">{}</div></section>'
    ).format(
        house_name(house.name),
        words.plural(len(house.entities), "device"),
        place("house-last"),
        Markup("").join(cards),
    )
    said = f"last change {words.age_of(last)} ago" if last else ""
    items["house-last"] = Markup('<span class="meta" id="house-last">{}</span>').format(said)
    return Part("house", shell, items)


def _areas(house: House) -> list[Area]:
    """The house's areas, then those that only entities name, and last the devices that stand nowhere."""
    named = {area.id: area for area in house.areas}
    others = {entity.area: Area(entity.area, entity.area) for entity in house.entities if entity.area not in named}
    nowhere = others.pop("", None)
    areas = [*named.values(), *others.values()]
    return [*areas, Area("", "Whole house")] if nowhere else areas


def _has_row(entity: Entity) -> bool:
    return entity.domain not in ("scene", "binary_sensor") and not _is_ambient(entity)


def _is_ambient(entity: Entity) -> bool:
    return entity.domain == "sensor" and bool(entity.area) and entity.attributes.get("device_class") in AMBIENT


def _heading(heading_id: str, area: Area, entities: Sequence[Entity]) -> Markup:
    measured = [state_words(entity) for entity in entities if _is_ambient(entity)]
    open_now = [state_words(entity) for entity in entities if entity.domain == "binary_sensor" and entity.state == "on"]
    return Markup('<header class="area-h" id="{}"><h3>{}</h3><span class="meta">{}</span></header>').format(
        heading_id, area.name, " · ".join([*open_now, *measured])
    )


def _tile(entity: Entity, house: House) -> Markup:
    change = house.changes.get(entity.id)
    fresh = change is not None and house.now - change.at < FRESH_SECONDS
    active = entity.state not in AT_REST and entity.domain in COLOURS
    return Markup(
        '<li class="{}" id="{}"><span class="ti">{}</span><div><b>{}</b><p class="ts"><span>{}</span>{}</p></div></li>'
    ).format(
        " ".join(filter(None, ("tile", f"k-{COLOURS[entity.domain]}" if active else "", "changed" if fresh else ""))),
        element_id("tile", entity.id),
        icon(ICONS.get(entity.domain, "home")),
        words.clean(entity.name),
        words.clean(state_words(entity)),
        _caused(change, house) if change and house.now - change.at < SHOWN_SECONDS else "",
    )


def _caused(change: Change, house: House) -> Markup:
    """`80 → 35 % · 3 s`, linked to the conversation that did it."""
    cause = house.cause(change.run_id) if change.run_id else None
    text = Markup("{} · {}").format(change_words(change), words.age_of(change.at))
    if cause is None:
        return Markup('<span class="tc">{}</span>').format(text)
    title = words.clean(cause.title)
    return Markup('<a class="tc" href="{}" title="{}">{}<span class="vh">, by {}</span></a>').format(
        events_address(conversation=cause.conversation_id), title, text, title
    )
