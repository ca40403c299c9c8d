"""What is handed over with `Database.later` and may be replaced until it is written: only the last value is."""

from __future__ import annotations

import threading


class Latest[T]:
    """A value. The trio thread replaces it; the writer's thread takes it, and then it is replaced no more."""

    __slots__ = ("_lock", "_taken", "_value")

    def __init__(self, value: T) -> None:
        self._value = value
        self._taken = False
        self._lock = threading.Lock()

    def replace(self, value: T) -> bool:
        """False when it was taken: then the new value is to be handed over for itself."""
        with self._lock:
            if not self._taken:
                self._value = value
            return not self._taken

    @property
    def value(self) -> T:
        """What it is now; it may be taken at any moment."""
        return self._value

    def take(self) -> T:
        """The value, the same each time."""
        with self._lock:
            self._taken = True
            return self._value
