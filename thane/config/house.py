"""Settings of the house: Home Assistant, the demo home."""

from __future__ import annotations

from thane.config.fields import Section


class HomeAssistantSubscribe(Section, frozen=True):
    entity_globs: tuple[str, ...] = ()
    """Accepted for compatibility with the reference."""
    rate_limit_per_minute: int = 0
    """Accepted for compatibility with the reference."""
    cooldown_minutes: int = 5
    """Accepted for compatibility with the reference."""


class HomeAssistant(Section, frozen=True):
    url: str = ""
    """Where Home Assistant listens."""
    token: str = ""
    """A long-lived access token."""
    subscribe: HomeAssistantSubscribe = HomeAssistantSubscribe()
    """Which changes are followed."""


class Demo(Section, frozen=True):
    enabled: bool = True
    """Have a demo home while no Home Assistant is linked."""
