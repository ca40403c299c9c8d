"""Writes the parts of docs/ that come from the code: every setting, every kind of event, every route.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; what is around it is written by hand. `just docs`
runs this; tests/test_docs.py compares the pages with what it would write.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from unittest.mock import MagicMock

import msgspec
from msgspec import inspect as types

from thane.config import settings
from thane.config.load import NOT_YET
from thane.events.event import KINDS
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms

DOCS = Path(__file__).parent.parent / "docs"
ROOT = "(top level)"


def texts(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring line after each field of a settings class."""
    body = ast.parse(inspect.getsource(struct)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            found[field.target.id] = inspect.cleandoc(str(after.value.value)).replace("\n", " ")
    return found


def values(kind: types.Type, hint: object = None) -> str:
    """What a setting accepts, in words. Choices are told in the order of the annotation `hint`."""
    match kind:
        case types.BoolType():
            return "true or false"
        case types.StrType():
            return "text"
        case types.IntType() | types.FloatType():
            return _number(kind)
        case types.LiteralType():
            accepted = get_args(hint)
            return " or ".join(f"`{value}`" for value in accepted)
        case types.VarTupleType(item_type=types.StructType()):
            return "list of mappings"
        case types.VarTupleType(item_type=item):
            return f"list of {values(item)}"
        case types.DictType():
            return "mapping"
        case types.UnionType(types=several):  # None is what is left out
            hints = [each for each in get_args(hint) if each is not type(None)] or [hint]
            kinds = [each for each in several if not isinstance(each, types.NoneType)]
            return " or ".join(values(*pair) for pair in zip(kinds, _matching(kinds, hints), strict=True))
        case _:
            raise TypeError(f"docs.py has no words for settings of type {kind}")


def _matching(kinds: list[types.Type], hints: list[object]) -> list[object]:
    """The annotation of each kind: only that of choices is of use."""
    choices = next((hint for hint in hints if get_origin(hint) is Literal), None)
    return [choices if isinstance(kind, types.LiteralType) else None for kind in kinds]


def _number(kind: types.IntType | types.FloatType) -> str:
    name = "whole number" if isinstance(kind, types.IntType) else "number"
    if kind.ge is not None and kind.le is not None:
        return f"{name}, {kind.ge:g} to {kind.le:g}"
    if kind.ge is not None:
        return f"{name}, {kind.ge:g} or more"
    return f"{name} over {kind.gt:g}" if kind.gt is not None else name


def _default(field: types.Field) -> str:
    if field.required:
        return "required"
    value: Any = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value in ("", (), {}, None):
        return "empty"
    return f"`{msgspec.json.encode(value).decode()}`" if not isinstance(value, str) else f"`{value}`"


def sections(struct: type[msgspec.Struct] = settings.Settings, path: str = "") -> Iterator[tuple[str, list[list[str]]]]:
    """Each mapping of the file: its path and one row (key, default, values, meaning) for each setting that it holds."""
    own, hints = texts(struct), get_type_hints(struct)
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)
    rows: list[list[str]] = []
    inner: list[tuple[str, list[list[str]]]] = []
    for field in info.fields:
        here = f"{path}.{field.encode_name}" if path else field.encode_name
        below, there = _below(field.type, here)
        if below is not None:
            inner.extend(sections(below, there))
        if isinstance(field.type, types.StructType):
            continue
        if not path and here in NOT_YET and below is None:
            continue  # listed apart
        meaning = own.get(field.name, "")
        if here in NOT_YET:
            meaning += f" *No effect yet: {NOT_YET[here]}.*"
        rows.append([f"`{field.encode_name}`", _default(field), values(field.type, hints[field.name]), meaning])
    if rows:
        yield path or ROOT, rows
    yield from inner


def _below(kind: types.Type, here: str) -> tuple[type[msgspec.Struct] | None, str]:
    """The settings class inside a field's type, if there is one, and the path of its settings."""
    match kind:
        case types.StructType(cls=struct):
            return struct, here
        case types.VarTupleType(item_type=types.StructType(cls=struct)):
            return struct, f"{here}[]"
        case types.DictType(value_type=types.StructType(cls=struct)):
            return struct, f"{here}.NAME"
        case _:
            return None, here


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def configuration() -> str:
    """Every setting, by mapping."""
    lines: list[str] = []
    for path, rows in sections():
        note = f" *No effect yet: {NOT_YET[path]}.*" if path in NOT_YET else ""
        lines += [f"### {path if path == ROOT else f'`{path}`'}", "", *([note.strip(), ""] if note else [])]
        lines += [*_table(["key", "default", "values", "meaning"], rows), ""]
    return "\n".join(lines).strip()


def not_yet() -> str:
    """The top-level keys that are accepted and do nothing."""
    known = {path.split(".")[0].split("[")[0] for path, _ in sections()}
    keys = [key for key in NOT_YET if "." not in key and key not in known]
    return ", ".join(f"`{key}`" for key in keys)


def events() -> str:
    """Every kind of event, by source."""
    lines: list[str] = []
    for source, kinds in KINDS.items():
        rows = [[f"`{kind}`", *_split(meaning)] for kind, meaning in kinds.items()]
        lines += [f"### `{source}`", "", *_table(["kind", "when", "`data`"], rows), ""]
    return "\n".join(lines).strip()


def _split(meaning: str) -> tuple[str, str]:
    when, _, data = meaning.partition(": ")
    return when, ", ".join(f"`{name}`" if re.fullmatch(r"\w+", name) else name for name in data.split(", ") if name)


def routes(build: Callable[[Rooms], ThaneApp]) -> str:
    """Every route of a listener's API, with what its handler's docstring says; at the end the dashboard's, by path."""
    # The routes are wanted, not what they do: nothing of what they are handed is used until a request comes.
    rooms = MagicMock(settings=settings.Settings())
    app = build(rooms)
    paths: dict[str, list[str]] = {}
    for rule in app.url_map.iter_rules():
        told = set(rule.methods or ()) - {"OPTIONS"}
        methods = ["WebSocket"] if rule.websocket else sorted(told - {"HEAD"} or told)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: f"{{{match[1]}}}", rule.rule)
        paths.setdefault(rule.endpoint, []).extend(f"`{method} {path}`" for method in methods)
    lines = [
        f"- {', '.join(sorted(where))}: {_paragraph(app.view_functions[endpoint].__doc__)}"
        for endpoint, where in paths.items()
        if not endpoint.startswith("dashboard.")
    ]
    own = [each for endpoint, where in paths.items() if endpoint.startswith("dashboard.") for each in where]
    return "\n".join([*lines, *([f"- The dashboard's own, not meant for programs: {', '.join(own)}."] if own else [])])


def _paragraph(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split())


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "configuration.md": {"settings": configuration, "keys without effect": not_yet},
    "events.md": {"kinds": events},
    "api.md": {"native routes": partial(routes, build_native), "ollama routes": partial(routes, build_ollama)},
}


def filled(page: str, text: str) -> str:
    """The page with its generated parts as they should be now."""
    for name, part in PARTS[page].items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"docs/{page} has no part between {begin} and {end}")
        text = f"{before}{begin}\n\n{part()}\n\n{end}{after}"
    return text


def main() -> None:
    for page in PARTS:
        path = DOCS / page
        text = path.read_text(encoding="utf-8")
        new = filled(page, text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"wrote docs/{page}", file=sys.stderr)


if __name__ == "__main__":
    main()
