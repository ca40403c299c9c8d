"""The model names that Thane answers to, as data: each is a profile, which says how the answering model is chosen.

Names and meanings are those of the reference (REFERENCE 2.4), so that clients set up for it go on working.
"""

from __future__ import annotations

import msgspec

DEFAULT = "thane:latest"


class Profile(msgspec.Struct, frozen=True):
    """`fast_path`: what the embedded brain fully recognises may be done without a model, where one is configured.

    `local_only` is a promise, not a wish: what is said stays in this house. `best` asks for the best model that is
    configured. `all_tools` and `mission` are hints for rooms to come. `deprecated` names the profile to use instead.
    """

    name: str
    description: str
    fast_path: bool = True
    local_only: bool = False
    best: bool = False
    all_tools: bool = False
    mission: str = ""
    deprecated: str = ""


PROFILES: tuple[Profile, ...] = (
    Profile(DEFAULT, "The default: commands at once, everything else by the configured model."),
    Profile("thane:command", "For voice assistants: controls the house.", mission="device_control"),
    Profile("thane:trigger", "For automations: local models only, quick.", local_only=True, mission="automation"),
    Profile("thane:premium", "The best model that is configured, for questions that need thought.", best=True),
    Profile("thane:ops", "The best model, with every tool, for work on the house itself.", best=True, all_tools=True),
    Profile(
        "thane:peer",
        "For talking: the model answers, not the command recogniser.",
        fast_path=False,
        mission="conversation",
    ),
    Profile("thane:local", "Local models only: nothing that is said leaves the house.", local_only=True),
    Profile("thane:openclaw", "For OpenClaw workspaces; answers as premium does.", best=True, mission="openclaw"),
    Profile("thane:thinking", "Former name of thane:premium.", best=True, deprecated="thane:premium"),
    Profile("thane:balanced", "Former name of thane:latest.", deprecated=DEFAULT),
    Profile("thane:fast", "Former name of thane:command.", mission="device_control", deprecated="thane:command"),
    Profile(
        "thane:homeassistant", "Former name of thane:command.", mission="device_control", deprecated="thane:command"
    ),
)
"""Every profile, the current ones first, in the order in which clients see them."""

_BY_NAME = {profile.name: profile for profile in PROFILES}


def find_profile(name: str) -> Profile | None:
    """The profile that a request's `model` names, in any case, with or without a `:latest` after it.

    "" and `thane` are the default, and so is any unknown `thane:…`. None for every other name: it is a model's.
    """
    key = name.strip().lower()
    if key in ("", "thane"):
        return _BY_NAME[DEFAULT]
    if not key.startswith("thane:"):
        return None
    return _BY_NAME.get(key) or _BY_NAME.get(key.removesuffix(":latest")) or _BY_NAME[DEFAULT]
