"""What a client wants an answer to look like: JSON, or JSON by a schema. Checked when asked, and when given.

A schema comes from a stranger, so nothing it refers to is fetched, its patterns take linear time, and one that would be
tried in too many ways is refused. `nullable`, which OpenAPI 3.0 has and JSON Schema lacks, counts: Home Assistant's
schemas use it. Not here: what happens to an answer that is not as it should be (`thane.agent.demand`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, cast

import jsonschema_rs
import msgspec

from thane.turn import JSON

_WAYS = 10_000
"""In how many ways the same value may be looked at by one schema."""

_PROBLEMS = 3
_PROBLEM_CHARS = 300
_FENCE = re.compile(r"\s*```[\w-]*[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL)
_FENCED = re.compile(r"^[ \t]*```[\w-]*[ \t]*\n(.*?)\n[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef")


class AnswerFormat:
    """One format. Raises ValueError for a schema that is none, or that cannot be used; the words are for a person."""

    def __init__(self, wanted: Literal["json"] | JSON) -> None:
        self._validator: jsonschema_rs.Draft202012Validator | Any = None
        if wanted != "json":
            self._validator = _compile(wanted)

    def read(self, text: str) -> tuple[str, str]:
        """The JSON of an answer, and what is wrong with it; "" for nothing.

        A fence of Markdown around it is left out, and the words that small models say before and after their only one.
        """
        if fenced := _FENCE.fullmatch(text):
            text = fenced[1]
        elif len(blocks := _FENCED.findall(text)) == 1:
            text = blocks[0]
        try:
            value: Any = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            return text, f"it is not JSON ({error})"
        if self._validator is None:
            return text, "" if isinstance(value, dict) else "it is not a JSON object"
        problems: list[str] = []
        for error in self._validator.iter_errors(value):
            if len(problems) == _PROBLEMS:
                problems.append("and more")
                break
            problems.append(_told(error))
        return text, "; ".join(problems)


def _compile(schema: JSON) -> Any:
    known: dict[int, int] = {}
    if any(_ways(part, schema, known) > _WAYS for part in _parts(schema)):
        raise ValueError("the schema's parts refer to each other too often")
    try:
        return jsonschema_rs.validator_for(
            _with_nulls(schema), retriever=_fetch_nothing, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError, RecursionError) as error:
        message = getattr(error, "message", "") or str(error)
        raise ValueError(message.partition("\n")[0][:_PROBLEM_CHARS]) from error


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


def _told(error: Any) -> str:
    """`rooms[0].name: 5 is not of type "string"`."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
    message = str(error.message)
    if len(message) > _PROBLEM_CHARS:
        message = message[: _PROBLEM_CHARS - 1] + "…"
    return f"{place}: {message}" if place else message


def _with_nulls(schema: Any) -> Any:
    """A schema whose `nullable` is said in JSON Schema's own words."""
    if isinstance(schema, list):
        return [_with_nulls(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    out = {key: _with_nulls(each) for key, each in cast("JSON", schema).items()}
    if not isinstance(out.get("nullable"), bool) or not out.pop("nullable"):
        return out  # besides, `nullable` may be the name of a property
    if isinstance(kind := out.get("type"), str):
        out["type"] = [kind, "null"]
    if isinstance(values := out.get("enum"), list) and None not in values:
        out["enum"] = [*values, None]
    return out


def _parts(schema: Any) -> Iterator[JSON]:
    """A schema and all that lies in it."""
    if isinstance(schema, dict):
        yield cast("JSON", schema)
        schema = list(cast("JSON", schema).values())
    if isinstance(schema, list):
        for each in cast("list[Any]", schema):
            yield from _parts(each)


def _ways(schema: Any, root: JSON, known: dict[int, int]) -> int:
    """How often a value is looked at by a schema and those that it applies to the same value. A circle counts once."""
    if not isinstance(schema, dict):
        return 1
    if id(schema) in known:
        return known[id(schema)]
    known[id(schema)] = 1
    fields, total = cast("JSON", schema), 1
    for key in _IN_PLACE:
        applied = fields.get(key)
        parts: list[Any] = cast("list[Any]", applied) if isinstance(applied, list) else [applied]
        if isinstance(applied, str):
            parts = [_referred(applied, root)]
        total += sum(_ways(part, root, known) for part in parts if part is not None)
    known[id(schema)] = total
    return total


def _referred(reference: str, root: JSON) -> Any:
    """What `#/…` refers to, in a schema."""
    found: Any = root
    if not reference.startswith("#"):
        return None
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdigit() and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found
