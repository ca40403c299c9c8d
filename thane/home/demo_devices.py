"""What stands in the demo home: its areas, devices and scenes. Only data; `thane.home.demo` makes them obey.

Attributes and the bits of `supported_features` are Home Assistant's.
"""

from __future__ import annotations

from thane.home.house import Area, Entity
from thane.turn import JSON

AREAS: tuple[Area, ...] = (
    Area("kitchen", "Kitchen", "Ground Floor"),
    Area("dining_room", "Dining Room", "Ground Floor"),
    Area("living_room", "Living Room", "Ground Floor", ("Lounge",)),
    Area("hall", "Hall", "Ground Floor", ("Hallway",)),
    Area("garage", "Garage", "Ground Floor"),
    Area("bedroom", "Bedroom", "First Floor"),
    Area("office", "Office", "First Floor", ("Study",)),
    Area("bathroom", "Bathroom", "First Floor"),
    Area("garden", "Garden", "", ("Outside",)),
)

COVER_FEATURES = 1 | 2 | 4 | 8  # open, close, set position, stop
GARAGE_FEATURES = 1 | 2 | 8
CLIMATE_FEATURES = 1 | 128 | 256  # target temperature, turn off, turn on
FAN_FEATURES = 1 | 16 | 32  # speed, turn off, turn on
MEDIA_FEATURES = 1 | 4 | 8 | 16 | 32 | 128 | 256 | 16384  # pause, volume, mute, previous, next, on, off, play
VACUUM_FEATURES = 4 | 8 | 16 | 8192  # pause, stop, return home, start


def _object_id(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _device(domain: str, name: str, area: str, state: str, *aliases: str, **attributes: object) -> Entity:
    return Entity(f"{domain}.{_object_id(name)}", name, state, area, attributes, aliases)


def _light(name: str, area: str, *aliases: str, on: int = 0, kind: str = "dimmed") -> Entity:
    """A light at `on` percent. `kind`: `plain` (on and off), `dimmed`, `white` (colour temperature) or `colour`."""
    attributes: JSON = {
        "plain": {"supported_color_modes": ("onoff",), "color_mode": None},
        "dimmed": {"supported_color_modes": ("brightness",), "color_mode": None, "brightness": None},
        "white": {"supported_color_modes": ("color_temp",), "color_mode": None, "brightness": None},
        "colour": {"supported_color_modes": ("rgb", "color_temp"), "color_mode": None, "brightness": None},
    }[kind]
    if kind in ("white", "colour"):
        attributes |= {"min_color_temp_kelvin": 2000, "max_color_temp_kelvin": 6500, "color_temp_kelvin": None}
    if kind == "colour":
        attributes |= {"rgb_color": None}
    if on:
        attributes["color_mode"] = attributes["supported_color_modes"][0]
    if on and "brightness" in attributes:
        attributes["brightness"] = round(on * 2.55)
    return _device("light", name, area, "on" if on else "off", *aliases, **attributes)


def _cover(name: str, area: str, kind: str, position: int) -> Entity:
    state = "open" if position else "closed"
    if kind == "garage":
        return _device("cover", name, area, state, device_class=kind, supported_features=GARAGE_FEATURES)
    features = {"device_class": kind, "current_position": position, "supported_features": COVER_FEATURES}
    return _device("cover", name, area, state, **features)


def _climate(name: str, area: str, target: float, now: float, *aliases: str) -> Entity:
    return _device(
        "climate",
        name,
        area,
        "heat",
        *aliases,
        hvac_modes=("off", "heat", "auto"),
        temperature=target,
        current_temperature=now,
        temperature_unit="°C",
        min_temp=7.0,
        max_temp=30.0,
        supported_features=CLIMATE_FEATURES,
    )


def _sensor(name: str, area: str, kind: str, unit: str, value: str) -> Entity:
    return _device("sensor", name, area, value, device_class=kind, unit_of_measurement=unit, state_class="measurement")


def _contact(name: str, area: str, kind: str, state: str = "off") -> Entity:
    return _device("binary_sensor", name, area, state, device_class=kind)


def _player(name: str, area: str, kind: str, state: str, volume: float, *playlist: str) -> Entity:
    return _device(
        "media_player",
        name,
        area,
        state,
        device_class=kind,
        volume_level=volume,
        is_volume_muted=False,
        media_title=playlist[0],
        playlist=playlist,
        supported_features=MEDIA_FEATURES,
    )


ENTITIES: tuple[Entity, ...] = (
    _light("Kitchen Lights", "kitchen", on=100),
    _light("Counter Light", "kitchen", on=60, kind="white"),
    _light("Dining Table Light", "dining_room"),
    _light("Living Room Lights", "living_room", on=80, kind="white"),
    _light("Floor Lamp", "living_room", "Reading Lamp", on=40, kind="colour"),
    _light("Hall Light", "hall", on=100, kind="plain"),
    _light("Garage Light", "garage", kind="plain"),
    _light("Bedroom Lights", "bedroom"),
    _light("Bed Light", "bedroom", "Bedside Lamp", kind="colour"),
    _light("Office Lights", "office", on=90, kind="white"),
    _light("Desk Lamp", "office", on=70, kind="white"),
    _light("Bathroom Light", "bathroom"),
    _light("Garden Lights", "garden", kind="colour"),
    _device("switch", "Coffee Maker", "kitchen", "off", "Coffee Machine", device_class="outlet"),
    _device("switch", "Dishwasher", "kitchen", "off", device_class="outlet"),
    _device("switch", "Printer", "office", "off", device_class="outlet"),
    _device("switch", "Sprinklers", "garden", "off", device_class="switch"),
    _climate("Thermostat", "living_room", 20.5, 20.2, "Heating"),
    _climate("Bathroom Heating", "bathroom", 22.0, 21.6),
    _cover("Kitchen Blind", "kitchen", "blind", 100),
    _cover("Living Room Blinds", "living_room", "blind", 100),
    _cover("Bedroom Curtains", "bedroom", "curtain", 0),
    _cover("Office Shutter", "office", "shutter", 50),
    _cover("Garage Door", "garage", "garage", 0),
    _device("lock", "Front Door", "hall", "locked"),
    _device("lock", "Back Door", "kitchen", "unlocked"),
    _device("fan", "Bedroom Fan", "bedroom", "off", percentage=0, supported_features=FAN_FEATURES),
    _player("TV", "living_room", "tv", "off", 0.3, "The Evening News", "Nature at Night", "Late Film"),
    _player("Living Room Speaker", "living_room", "speaker", "playing", 0.4, "Blue in Green", "So What", "All Blues"),
    _player("Kitchen Radio", "kitchen", "speaker", "paused", 0.25, "Morning Show", "Afternoon Jazz"),
    _device("vacuum", "Vacuum", "living_room", "docked", "Robot Vacuum", supported_features=VACUUM_FEATURES),
    _sensor("Living Room Temperature", "living_room", "temperature", "°C", "20.4"),
    _sensor("Living Room Humidity", "living_room", "humidity", "%", "46"),
    _sensor("Kitchen Temperature", "kitchen", "temperature", "°C", "21.8"),
    _sensor("Bedroom Temperature", "bedroom", "temperature", "°C", "18.6"),
    _sensor("Bedroom Humidity", "bedroom", "humidity", "%", "51"),
    _sensor("Office Temperature", "office", "temperature", "°C", "21.1"),
    _sensor("Bathroom Humidity", "bathroom", "humidity", "%", "58"),
    _sensor("Outdoor Temperature", "garden", "temperature", "°C", "7.3"),
    _sensor("Outdoor Humidity", "garden", "humidity", "%", "82"),
    _sensor("Power Consumption", "", "power", "W", "412"),
    _sensor("Solar Power", "", "power", "W", "1630"),
    _sensor("Front Door Battery", "hall", "battery", "%", "84"),
    _contact("Kitchen Window", "kitchen", "window"),
    _contact("Bedroom Window", "bedroom", "window", "on"),
    _contact("Hall Motion", "hall", "motion"),
    _contact("Garden Motion", "garden", "motion"),
    _contact("Bathroom Leak", "bathroom", "moisture"),
    _device("weather", "Home Weather", "", "cloudy", temperature=7.3, temperature_unit="°C", humidity=82),
    _device("scene", "Good Morning", "", "unknown"),
    _device("scene", "Dinner", "dining_room", "unknown"),
    _device("scene", "Movie Night", "living_room", "unknown", "Film Night"),
    _device("scene", "Good Night", "", "unknown", "Bedtime"),
)

SCENES: dict[str, tuple[tuple[str, str, JSON], ...]] = {
    "scene.good_morning": (
        ("cover.bedroom_curtains", "open_cover", {}),
        ("cover.living_room_blinds", "open_cover", {}),
        ("light.kitchen_lights", "turn_on", {"brightness_pct": 100}),
        ("switch.coffee_maker", "turn_on", {}),
    ),
    "scene.dinner": (
        ("light.dining_table_light", "turn_on", {"brightness_pct": 60}),
        ("light.counter_light", "turn_on", {"brightness_pct": 25}),
    ),
    "scene.movie_night": (
        ("light.living_room_lights", "turn_off", {}),
        ("light.floor_lamp", "turn_on", {"brightness_pct": 15, "color_name": "darkorange"}),
        ("cover.living_room_blinds", "close_cover", {}),
        ("media_player.living_room_speaker", "media_pause", {}),
        ("media_player.tv", "turn_on", {}),
    ),
    "scene.good_night": (
        *((light.id, "turn_off", {}) for light in ENTITIES if light.domain == "light"),
        ("media_player.tv", "turn_off", {}),
        ("media_player.living_room_speaker", "media_pause", {}),
        ("cover.garage_door", "close_cover", {}),
        ("lock.front_door", "lock", {}),
        ("lock.back_door", "lock", {}),
    ),
}
"""What each scene does: entity, service and data of the services in `thane.home.services`."""
