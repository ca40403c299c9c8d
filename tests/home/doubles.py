"""A clock that stands, events that are kept, and a demo home on both."""

from __future__ import annotations

from typing import Any

from thane.events.event import KINDS, Source
from thane.home.demo import DemoHome


class StandingClock:
    """Tells the time that it was set to: 2026-11-23 14:05:09 UTC at first."""

    def __init__(self, now: float = 1795442709.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


class KeptEvents:
    """Keeps what was published, in order; a kind that nobody knows is a bug, as on the bus."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def publish(self, source: Source, kind: str, /, **data: object) -> None:
        assert kind in KINDS[source]
        self.events.append((f"{source}/{kind}", data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == kind]


def demo_home() -> DemoHome:
    return DemoHome(StandingClock(), KeptEvents())
