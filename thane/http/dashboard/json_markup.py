"""A JSON value as indented, highlighted markup. Everything in it is escaped; nothing of it is ever markup."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

INLINE = 84  # longest object that is written on one line


def json_markup(value: Any) -> Markup:
    """`value` is anything that JSON can say."""
    return Markup('<pre class="code">{}</pre>').format(_value(value, 0))


def _value(value: Any, depth: int) -> Markup:
    if isinstance(value, dict):
        pairs = [_key(name) + _value(inner, depth + 1) for name, inner in value.items()]
        return _wrap("{", pairs, "}", depth, flat=bool(depth) and _is_flat(value.values(), value))
    if isinstance(value, list | tuple):
        return _wrap("[", [_value(inner, depth + 1) for inner in value], "]", depth, flat=_is_flat(value, value))
    if isinstance(value, str):
        return Markup("{}").format(json.dumps(value, ensure_ascii=False))
    return Markup('<span class="jn">{}</span>').format(json.dumps(value))


def _key(name: object) -> Markup:
    return Markup('<span class="jk">{}</span>: ').format(json.dumps(str(name), ensure_ascii=False))


def _is_flat(values: Any, whole: object) -> bool:
    return not any(isinstance(value, dict | list | tuple) for value in values) and len(str(whole)) <= INLINE


def _wrap(start: str, parts: list[Markup], end: str, depth: int, *, flat: bool) -> Markup:
    if not parts:
        return Markup(start + end)  # noqa: S704 two brackets
    if flat:
        space = " " if start == "{" else ""
        return Markup("{}{}{}{}{}").format(start, space, Markup(", ").join(parts), space, end)
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    return Markup("{}{}{}{}{}").format(start, inner, Markup("," + inner).join(parts), outer, end)  # noqa: S704 white space
