"""A publisher for tests that keeps what was published."""

from __future__ import annotations


class RecordedEvents:
    """`seen` holds `(source, kind, data)` in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, object]]] = []

    def publish(self, source: str, kind: str, /, **data: object) -> None:
        self.seen.append((source, kind, data))

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.seen]
