"""Test doubles of the loop and conversation rooms."""

from __future__ import annotations

from typing import Any

from thane.events.event import KINDS, Source


class Events:
    """Keeps what is published, in order. An unknown kind fails the test."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    def publish(self, source: Source, kind: str, /, **data: object) -> None:
        assert kind in KINDS[source], kind
        self.all.append((kind, data))

    def kinds(self, *among: str) -> list[str]:
        return [kind for kind, _ in self.all if not among or kind in among]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, data in self.all if each == kind]

    def states(self, name: str) -> list[str]:
        return [data["to"] for data in self.of("loop_state_change") if data["loop_name"] == name]
