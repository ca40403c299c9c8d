"""The API page: an OpenAPI document as areas, operations and shapes that a template can show.

Not here: the document itself (`thane.http.openapi`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from markupsafe import Markup, escape

type Document = Mapping[str, Any]

_REFERENCE = "#/components/schemas/"
_EXAMPLES = {"model_id": "thane:latest", "path": "thane.css", "seq": "1", "digest": f"sha256:{'0' * 64}"}
"""Values of path parameters that lead somewhere; others stand as their name in capitals."""


class Row(msgspec.Struct, frozen=True):
    """One line of a table: a parameter or a field. `place` is where a parameter goes."""

    name: str
    type: Markup
    meaning: Markup
    required: bool
    place: str = ""


class Answer(msgspec.Struct, frozen=True):
    status: str
    meaning: str
    types: tuple[tuple[str, Markup], ...]  # media type and shape


class Operation(msgspec.Struct, frozen=True):
    anchor: str
    method: str
    path: str
    title: str
    text: Markup
    parameters: tuple[Row, ...]
    body: Markup
    fields: tuple[Row, ...]
    answers: tuple[Answer, ...]
    example: str


class Area(msgspec.Struct, frozen=True):
    anchor: str
    name: str
    text: str
    operations: tuple[Operation, ...]


class ApiShape(msgspec.Struct, frozen=True):
    """A shape that operations refer to by its name."""

    anchor: str
    name: str
    text: Markup
    fields: tuple[Row, ...]


class Port(msgspec.Struct, frozen=True):
    """One listener: where it is, and what it serves. Anchors begin with `name`, so that they differ between ports."""

    name: str
    address: str
    areas: tuple[Area, ...]
    shapes: tuple[ApiShape, ...]


def port(name: str, address: str, document: Document, *, key: bool) -> Port:
    """What a page shows of a document. With `key`, the examples carry one."""
    drawing = _Drawing(name, address, document["components"]["schemas"], key=key)
    return Port(
        name,
        address,
        tuple(drawing.area(tag, document["paths"]) for tag in document["tags"]),
        tuple(drawing.shape(name, schema) for name, schema in drawing.schemas.items()),
    )


class _Drawing:
    def __init__(self, name: str, address: str, schemas: Document, *, key: bool) -> None:
        self.schemas = schemas
        self._name = name
        self._address = address
        self._key = key

    def area(self, tag: Document, paths: Document) -> Area:
        operations = tuple(
            self._operation(method, path, operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        )
        return Area(self._anchor(tag["name"]), tag["name"], tag["description"], operations)

    def shape(self, name: str, schema: Document) -> ApiShape:
        return ApiShape(self._anchor(f"shape-{name}"), name, prose(schema.get("description", "")), self._fields(schema))

    def _operation(self, method: str, path: str, told: Document) -> Operation:
        content: Document = told.get("requestBody", {}).get("content", {}).get("application/json", {})
        schema: Document = content.get("schema", {})
        return Operation(
            anchor=self._anchor(told["operationId"]),
            method="WS" if set(told["responses"]) & {"101"} and "200" not in told["responses"] else method.upper(),
            path=path,
            title=told["summary"],
            text=prose(told["description"]),
            parameters=tuple(map(self._parameter, told.get("parameters", ()))),
            body=self._type(schema) if schema else Markup(""),
            fields=self._fields(self.schemas.get(schema.get("$ref", "").removeprefix(_REFERENCE), {})),
            answers=tuple(self._answer(status, each) for status, each in told["responses"].items()),
            example=self._example(method, path, told, content.get("example")),
        )

    def _answer(self, status: str, told: Document) -> Answer:
        content: Document = told.get("content", {})
        return Answer(
            status,
            told["description"],
            tuple((media, self._type(each["schema"])) for media, each in content.items()),
        )

    def _parameter(self, told: Document) -> Row:
        return Row(
            told["name"],
            self._type(told["schema"]),
            prose(told.get("description", "")),
            required=bool(told.get("required")),
            place=told["in"],
        )

    def _fields(self, schema: Document) -> tuple[Row, ...]:
        required: list[str] = schema.get("required", [])
        fields: dict[str, Document] = schema.get("properties", {})
        return tuple(
            Row(
                name,
                self._type(each, may_be_null=name in required),
                prose(each.get("description", "")),
                required=name in required,
            )
            for name, each in fields.items()
        )

    def _type(self, schema: Document, *, may_be_null: bool = True) -> Markup:
        """A schema in a few words; other shapes are links to them. What may be left out may be null anyway."""
        if name := schema.get("$ref", "").removeprefix(_REFERENCE):
            return Markup('<a class="lnk" href="#{}">{}</a>').format(self._anchor(f"shape-{name}"), name)
        if choices := schema.get("anyOf"):
            shown = [each for each in choices if may_be_null or each.get("type") != "null"]
            return Markup(" or ").join(map(self._type, shown))
        if values := schema.get("enum"):
            return Markup(" or ").join(Markup("<code>{}</code>").format(json.dumps(each)) for each in values)
        kind: str = schema.get("type", "any")
        return Markup("list of {}").format(self._type(schema.get("items", {}))) if kind == "array" else escape(kind)

    def _example(self, method: str, path: str, told: Document, body: object) -> str:
        """A command that can be pasted into a shell; "" for a WebSocket, which not every curl speaks, and for a POST
        whose body the document does not tell."""
        responses: Document = told["responses"]
        if ("101" in responses and "200" not in responses) or (method == "post" and body is None):
            return ""
        filled = re.sub(r"\{(\w+)\}", lambda found: _EXAMPLES.get(found[1], found[1].upper()), path)
        only_streams = "text/event-stream" in responses.get("200", {}).get("content", {}) and body is None
        words = ["curl", *(["-N"] if only_streams else []), *_FLAGS[method]]
        if self._key and told.get("security") != []:
            words += ["-H", '"Authorization: Bearer $THANE_KEY"']
        words.append(f"{self._address}{filled}")
        if body is not None:
            words += ["-d", _quoted(json.dumps(body, ensure_ascii=False))]
        return " ".join(words)

    def _anchor(self, text: str) -> str:
        return f"{self._name}-{text}".lower().replace("_", "-")


_FLAGS: Mapping[str, list[str]] = {
    "get": [],
    "post": [],
    "head": ["-I"],
    "patch": ["-X", "PATCH"],
    "delete": ["-X", "DELETE"],
}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def prose(text: str) -> Markup:
    """A docstring as markup: code between backticks, paragraphs, and links to pages of the documentation as words."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(_line(part)) for part in paragraphs)


def _line(text: str) -> Markup:
    pieces = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(_breakable(piece)) if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )


def _breakable(code: str) -> Markup:
    """Code that a narrow page may break after each comma."""
    return Markup(",<wbr>").join(code.split(","))
