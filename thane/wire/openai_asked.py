"""What chat completions and responses ask for in the same words, at another depth: which tool to call, which format.

Chat completions put a function's fields under `function` and a format's under `json_schema`; responses put them flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from thane.config.settings import Limits
from thane.turn import JSON, ToolSpec
from thane.wire.chat import check_schema
from thane.wire.errors import FieldError
from thane.wire.fields import Fields

WORDS = ("none", "auto", "required")


def tool_choice(body: Fields, tools: Sequence[ToolSpec]) -> tuple[str, tuple[ToolSpec, ...]]:
    """`auto`, `none`, `required` or a tool's name, and the tools that may be called: `allowed_tools` may be fewer."""
    choice = body.values.get("tool_choice")
    if choice is None:
        return "auto", tuple(tools)
    if isinstance(choice, str):
        return _word(choice), tuple(tools)
    named = body.object("tool_choice")
    if named is None:
        return "auto", tuple(tools)
    what = named.text("type")
    if what == "allowed_tools":
        allowed = named.object("allowed_tools") or named
        names = {_name_of(each) for each in allowed.objects("tools")}
        if missing := names - {tool.name for tool in tools} - {""}:
            raise _not_there(min(missing))
        return _word(allowed.text("mode") or "auto"), tuple(tool for tool in tools if tool.name in names)
    name = _name_of(named)
    if what != "function" or name not in {tool.name for tool in tools}:
        raise _not_there(name or what)
    return name, tuple(tools)


def answer_format(wanted: Fields | None, place: str, limits: Limits) -> Literal["json"] | JSON | None:
    """The format of an answer. `place` is where it stands in the request."""
    match wanted.text("type") if wanted else "":
        case "json_object":
            return "json"
        case "json_schema" if wanted is not None:
            holder = wanted.object("json_schema") or wanted
            schema, where = holder.mapping("schema"), holder.where("schema")
            if schema is None:
                where = where if holder is not wanted or place == "text.format" else f"{place}.json_schema.schema"
                raise FieldError(f"Missing required parameter: '{where}'.", where)
            return check_schema(schema, where, f"Invalid schema for {place} 'json_schema'", limits)
        case "text" | "":
            return None
        case other:
            raise FieldError(
                f"Invalid value: '{other}'. Supported values are: 'text', 'json_object' and 'json_schema'.",
                f"{place}.type",
                code="invalid_value",
            )


def _word(word: str) -> str:
    if word not in WORDS:
        raise FieldError(
            f"Invalid value: '{word}'. Supported values are: 'none', 'auto' and 'required'.",
            "tool_choice",
            code="invalid_value",
        )
    return word


def _name_of(fields: Fields) -> str:
    function = fields.object("function")
    return (function or fields).text("name")


def _not_there(name: str) -> FieldError:
    return FieldError(f"Tool choice '{name}' is not among the functions in 'tools'.", "tool_choice")
