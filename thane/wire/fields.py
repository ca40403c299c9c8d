"""Reading one JSON object of a request: its fields by type, with errors in the words of the protocol's own server.

`null` counts as absent everywhere and unknown keys are ignored. Numbers may come as floats where a whole number is
meant: Home Assistant's form saves them so. Not here: which fields there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from thane.turn import JSON
from thane.wire.errors import FieldError

type Path = tuple[Path | None, str | int]
"""A place in the body, innermost last: where its holder is, and its key or index there."""


class Dialect(Protocol):
    """How a server words a wrong type. `expected` is a kind: string, number, integer, bool, array, object."""

    folds_keys: bool
    """Whether a key's case does not matter."""
    null_items: bool
    """Whether a `null` in an array of objects is an empty one."""

    def wrong_type(self, path: Path, expected: str, value: object) -> FieldError: ...


class Fields:
    """One JSON object. `path` leads to it from the top of the body."""

    __slots__ = ("_dialect", "_path", "values")

    def __init__(self, values: JSON, dialect: Dialect, path: Path | None = None) -> None:
        if dialect.folds_keys and not all(map(str.islower, values)):
            values = {key.lower(): value for key, value in values.items()}
        self.values: Mapping[str, Any] = values
        self._dialect = dialect
        self._path = path

    def text(self, key: str) -> str:
        """A string; "" where there is none."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A bool."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "bool")
        return value

    def number(self, key: str) -> float | None:
        """A number, as it was written: an int stays one."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "number")
        return value

    def integer(self, key: str) -> int | None:
        """A whole number, also one written as `8192.0`."""
        value = self.number(key)
        if value is None:
            return None
        if value != value // 1:
            raise self.wrong(key, "integer")
        return int(value)

    def items(self, key: str) -> list[Any]:
        """An array; empty where there is none."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "array")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """An array of strings."""
        items = self.items(key)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise self._dialect.wrong_type(((self._path, key), index), "string", item)
        return tuple(items)

    def mapping(self, key: str) -> JSON | None:
        """An object as it is."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, "object")
        return value

    def object(self, key: str) -> Fields | None:
        """An object, to be read by its fields."""
        value = self.mapping(key)
        return None if value is None else Fields(value, self._dialect, (self._path, key))

    def objects(self, key: str) -> Iterator[Fields]:
        """An array of objects, each to be read by its fields."""
        for index in range(len(self.items(key))):
            yield self.element(key, index)

    def element(self, key: str, index: int) -> Fields:
        """One object of an array."""
        path: Path = ((self._path, key), index)
        item = self.values[key][index]
        if not isinstance(item, dict) and not (item is None and self._dialect.null_items):
            raise self._dialect.wrong_type(path, "object", item)
        return Fields(item or {}, self._dialect, path)

    def where(self, key: str = "") -> str:
        """The place of this object, or of one of its fields: `messages[0].content`."""
        return written((self._path, key) if key else self._path)

    def wrong(self, key: str, expected: str) -> FieldError:
        """The error that field `key` has the wrong type."""
        return self._dialect.wrong_type((self._path, key), expected, self.values.get(key))


def written(path: Path | None) -> str:
    """`messages[0].content`."""
    if path is None:
        return ""
    before, last = written(path[0]), path[1]
    if isinstance(last, int):
        return f"{before}[{last}]"
    return f"{before}.{last}" if before else last


def kind(value: object) -> str:
    """What a decoded JSON value is: null, bool, number, string, array or object."""
    if value is None:
        return "null"
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return "object"


_KINDS: tuple[tuple[Any, str], ...] = ((bool, "bool"), ((int, float), "number"), (str, "string"), (list, "array"))
