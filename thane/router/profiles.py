"""The model names that Thane answers to, as data: each is a profile, which says how the answering model is chosen.

Names and meanings of the shipped ones are those of the reference (REFERENCE 2.4), so that clients set up for it go on
working. They have the shape of an owner's in the configuration, which may change them and add to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from thane.config.routing import ProfileSettings

DEFAULT = "thane:latest"
_PREFIX = "thane:"


class Profile(msgspec.Struct, frozen=True):
    """A profile with nothing left open; the fields are those of `ProfileSettings`.

    `local_only` is a promise, not a wish: what is said stays in this house. `deprecated` names the profile to use
    instead.
    """

    name: str
    description: str = ""
    fast_path: bool = True
    local_only: bool = False
    quality_floor: int | Literal["best"] = 0
    prefer_speed: bool = False
    mission: str = ""
    model: str = ""
    model_preference: str = ""
    fallbacks: tuple[str, ...] = ()
    cost_tier_limit: int = -1
    delegation: Literal["auto", "offer", "required", "off"] = "auto"
    deprecated: str = ""


SHIPPED: Mapping[str, ProfileSettings] = {
    DEFAULT: ProfileSettings(description="The default: commands at once, everything else by the configured model."),
    "thane:command": ProfileSettings(
        description="For voice assistants: controls the house.", mission="device_control", prefer_speed=True
    ),
    "thane:trigger": ProfileSettings(
        description="For automations: local models only, quick.",
        local_only=True,
        quality_floor=1,
        mission="automation",
        prefer_speed=True,
    ),
    "thane:premium": ProfileSettings(
        description="The best model that is configured, for questions that need thought.", quality_floor="best"
    ),
    "thane:ops": ProfileSettings(
        description="The best model, with every tool, for work on the house itself.",
        quality_floor="best",
        delegation="off",
    ),
    "thane:peer": ProfileSettings(
        description="For talking: the model answers, not the command recogniser.",
        fast_path=False,
        mission="conversation",
    ),
    "thane:local": ProfileSettings(
        description="Local models only: nothing that is said leaves the house.", local_only=True, quality_floor=1
    ),
    "thane:openclaw": ProfileSettings(
        description="For OpenClaw workspaces; answers as premium does.", quality_floor="best", mission="openclaw"
    ),
}
"""The profiles that every Thane has, in the order in which clients see them."""

DELEGATES: Mapping[str, str] = {"general": "thane:delegate", "ha": "thane:delegate-ha"}
"""The profiles of tasks that a model hands over (REFERENCE 10.4), by the names that it gives; not shown to clients."""

_HIDDEN: Mapping[str, ProfileSettings] = {
    "thane:delegate": ProfileSettings(
        description="For tasks that a strong model hands over.",
        fast_path=False,
        prefer_speed=True,
        mission="background",
        delegation="off",
    ),
    "thane:delegate-ha": ProfileSettings(
        description="For tasks in the house that a strong model hands over.",
        prefer_speed=True,
        mission="background",
        delegation="off",
    ),
}

FORMER: Mapping[str, str] = {
    "thane:thinking": "thane:premium",
    "thane:balanced": DEFAULT,
    "thane:fast": "thane:command",
    "thane:homeassistant": "thane:command",
}
"""Former names, which go on working but are not shown."""


class Profiles:
    """The profiles of this Thane. Names are compared without regard to case."""

    def __init__(self, configured: Mapping[str, ProfileSettings] | None = None) -> None:
        """`configured` is `profiles` of the configuration: changes to shipped ones, and more of them."""
        given = {full_name(name): settings for name, settings in (configured or {}).items()}
        profiles = {name: _changed(Profile(name), settings) for name, settings in (*SHIPPED.items(), *_HIDDEN.items())}
        for name, settings in given.items():
            profiles[name] = _changed(profiles.get(name, Profile(name)), settings)
        self._listed = tuple(profile for name, profile in profiles.items() if name not in _HIDDEN)
        for name, now in FORMER.items():
            if name not in profiles:
                old = profiles[now]
                described = f"Former name of {now}."
                profiles[name] = msgspec.structs.replace(old, name=name, description=described, deprecated=now)
        self._by_name = profiles

    def listed(self) -> tuple[Profile, ...]:
        """Those that clients are shown, in order."""
        return self._listed

    def find(self, name: str) -> Profile | None:
        """The profile that a request's `model` names, in any case, with or without a `:latest` after it.

        "" and `thane` are the default, and so is any unknown `thane:…`. None for every other name: it is a model's.
        """
        key = name.strip().lower()
        if key in ("", "thane"):
            return self._by_name[DEFAULT]
        if not key.startswith(_PREFIX):
            return None
        return self._by_name.get(key) or self._by_name.get(key.removesuffix(":latest")) or self._by_name[DEFAULT]


def full_name(name: str) -> str:
    """An owner may leave out the `thane:` of a profile's name."""
    key = name.strip().lower()
    return key if key.startswith(_PREFIX) else _PREFIX + key


def _changed(profile: Profile, settings: ProfileSettings) -> Profile:
    given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
    return msgspec.structs.replace(profile, **given)
