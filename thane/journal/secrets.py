"""Keeps secrets out of log lines: values that the configuration calls keys or tokens, and attributes named like one.

It does not know what people say: what is logged must not be that in the first place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "[hidden]"

_NAMED = re.compile(
    r"(^|_)(key|keys|token|tokens|secret|secrets|password|passwords|authorization|cookie|headers)$", re.IGNORECASE
)
_NUMBERS = (int, float, bool, type(None))  # a token may be counted: `tokens` is then a number, and no secret
_LEAST_CHARS = 6  # a shorter value would blot out common words


class Secrets:
    """What must not be told: the values in `configuration`, a settings file as plain mappings and lists."""

    def __init__(self, configuration: object = None) -> None:
        found = {value for value in _values(configuration, named=False) if len(value) >= _LEAST_CHARS}
        self._values = sorted(found, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` without any secret in it."""
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        return text

    def attributes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` without those that are named like a secret."""
        return {
            name: HIDDEN if is_named(name) and not isinstance(value, _NUMBERS) else value
            for name, value in values.items()
        }


@lru_cache(maxsize=512)  # the same few names stand in nearly every line
def is_named(name: str) -> bool:
    """Whether an attribute is named like a secret."""
    return _NAMED.search(name) is not None


def _values(part: object, *, named: bool) -> Iterator[str]:
    if isinstance(part, Mapping):
        for name, value in part.items():  # pyright: ignore[reportUnknownVariableType]  of any make
            yield from _values(value, named=named or bool(_NAMED.search(str(name))))  # pyright: ignore[reportUnknownArgumentType]  as above
    elif isinstance(part, list | tuple):
        for value in part:  # pyright: ignore[reportUnknownVariableType]  as above
            yield from _values(value, named=named)
    elif isinstance(part, str) and named:
        yield part
