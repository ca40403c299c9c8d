"""What the disk did not do: told to whoever wants to know, and remembered until the database is closed."""

from __future__ import annotations

from collections.abc import Callable

from thane.errors import DependencyError
from thane.storage.connection import is_damage, is_damage_of_index, is_unwritable


class Failures:
    """Of one open database. `damaged` once anything in it made no sense: the next start is to look at all of it."""

    def __init__(self) -> None:
        self.damaged = False
        self.tell: Callable[[DependencyError], None] | None = None
        """Told, in the trio thread, of each write that the disk did not take, and of damage. Must not block."""

    def note(self, error: BaseException, *, of_write: bool) -> None:
        """An operation failed with this. To be called in the trio thread."""
        if not isinstance(error, DependencyError):
            return
        damaged = is_damage(error)
        self.damaged = self.damaged or damaged
        matters = (of_write and is_unwritable(error)) or (damaged and (of_write or not is_damage_of_index(error)))
        if self.tell is not None and matters:
            self.tell(error)
