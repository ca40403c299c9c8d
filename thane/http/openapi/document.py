"""The OpenAPI 3.1 document of an application: every route of its map, with what its docstring and the table tell.

Sources: the OpenAPI Specification 3.1.1. WebSockets, which it does not know, are told as a GET that is answered with
101. Not here: what the routes take and give (`thane.http.openapi.table`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from quart import Quart

from thane.config.settings import Auth
from thane.http.openapi.shape import Shape
from thane.http.openapi.table import AREAS, NOTHING, TABLE, area, error_type
from thane.http.openapi.told import HTML, JSON, SSE, Query, Told, Type

type Document = dict[str, Any]

_OPEN = ("/health", "/health/live", "/health/ready")  # asked without a key (thane.http.guard)
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `auth.keys`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same, as Anthropic has it."},
}
_TIMES = {"started_at", "created_at", "updated_at", "at"}  # seconds that leave as RFC 3339 (native/answers.py)
_REFERENCE = "#/components/schemas/{name}"
_WEB_SOCKET = "Over a WebSocket: "


class Route(msgspec.Struct, frozen=True):
    """One method of one path. `types` are those of the path's parameters, by name."""

    method: str
    path: str
    text: str
    endpoint: str
    types: dict[str, str]
    web_socket: bool


def found(app: Quart) -> Iterator[Route]:
    """Every route of an application. HEAD is told where there is no GET, OPTIONS never."""
    for rule in app.url_map.iter_rules():
        methods = set(rule.methods or ()) - {"OPTIONS"}
        parts: list[tuple[str, str]] = re.findall(r"<(?:(\w+):)?(\w+)>", rule.rule)
        names = {name: "integer" if kind == "int" else "string" for kind, name in parts}
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        text = inspect.cleandoc(app.view_functions[rule.endpoint].__doc__ or "")
        for method in sorted(methods - {"HEAD"} if "GET" in methods else methods):
            yield Route(method, path, text, rule.endpoint, names, bool(rule.websocket))


def describe(app: Quart, version: str, auth: Auth) -> Document:
    """The document, ready for JSON. It tells whether this Thane wants a key."""
    routes = sorted(found(app), key=lambda route: (list(AREAS).index(area(route.path, route.endpoint)), route.path))
    bodies: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for route in routes:
        told = TABLE.get(f"{route.method} {route.path}", NOTHING)
        if told.body is not None:
            bodies[str(told.body)] = told.body
        for each in (*_members(told.answer), error_type(area(route.path, route.endpoint))):
            if each is not None:
                answers[str(each)] = each
    types = bodies | answers
    made, components = msgspec.json.schema_components(types.values(), schema_hook=_anything, ref_template=_REFERENCE)
    schemas: dict[str, Document] = dict(zip(types, made, strict=True))
    asked, told_of = _structs(bodies.values()), _structs(answers.values())
    named = {name: struct for struct in asked | told_of for name in _names(struct)}
    for name, schema in components.items():
        struct = named[name]
        _tell_as_written(schema, whole=not struct.__struct_config__.omit_defaults)
        if struct not in told_of:
            _tell_as_read(schema)
        if issubclass(struct, Shape):
            schema |= struct.between_fields
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: route.web_socket):
        methods = paths.setdefault(route.path, {})
        if route.web_socket and "get" in methods:
            methods["get"]["description"] += f"\n\n{_WEB_SOCKET}{route.text}"
            continue
        methods[route.method.lower()] = _operation(route, schemas)
    used = {area(route.path, route.endpoint) for route in routes}
    needed: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Thane",
            "version": version,
            "description": "A self-hosted assistant for the house that speaks OpenAI's, Anthropic's and Ollama's APIs.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": needed if auth.keys else [{}, *needed],
        "tags": [{"name": name, "description": text} for name, text in AREAS.items() if name in used],
        "paths": paths,
        "components": {"securitySchemes": _SCHEMES, "schemas": dict(sorted(components.items()))},
    }


def _operation(route: Route, schemas: dict[str, Document]) -> Document:
    key, where = f"{route.method} {route.path}", area(route.path, route.endpoint)
    told = TABLE.get(key, NOTHING)
    operation: Document = {
        "operationId": re.sub(r"\W+", "_", key.lower()).strip("_"),
        "tags": [where],
        "summary": told.title or first_sentence(route.text),
        "description": f"{_WEB_SOCKET}{route.text}" if route.web_socket else route.text,
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": kind, **told.path.get(name, {})}}
        for name, kind in route.types.items()
    ]
    if parameters or told.query:
        operation["parameters"] = [*parameters, *map(_parameter, told.query)]
    if told.body is not None:
        example = {"example": told.example} if told.example else {}
        content = {JSON: {"schema": schemas[str(told.body)]} | example}
        operation["requestBody"] = {"required": True, "content": content}
    elif told.file:
        operation["requestBody"] = {"required": True, "content": {told.file: {}}}
    refusal = {JSON: {"schema": schemas[str(error_type(where))]}}
    if where == "Dashboard":  # a person is told on a page
        refusal[HTML] = {"schema": {"type": "string"}}
    operation["responses"] = _responses(route, told, refusal, schemas)
    if route.path in _OPEN:
        operation["security"] = []
    return operation


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, without its full stop and marks."""
    return re.split(r"(?<=[.:;])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".:;").replace("`", "")


def _parameter(query: Query) -> Document:
    schema: Document = {"type": query.type, **query.words}
    if query.type == "array":
        schema = {"type": "array", "items": {"type": "string", **query.words}}
    may_be_none = {"required": True} if query.required else {"allowEmptyValue": True}
    return {"name": query.name, "in": "query", "description": query.meaning, "schema": schema} | may_be_none


def _responses(route: Route, told: Told, refusal: Document, schemas: dict[str, Document]) -> Document:
    statuses = {101: "The WebSocket is open."} if route.web_socket else told.statuses
    content: Document = {}
    if told.answer is not None:
        shapes = [schemas[str(each)] for each in _members(told.answer)]
        content[JSON] = {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}
    if told.streams:
        # Of a stream of events the schema would be that of each event, which depends on the one before.
        content[told.streams] = {"schema": {} if told.streams == SSE else {"type": "string"}}
    responses: Document = {}
    for status, text in statuses.items():
        shown = {"content": content} if content and status not in (101, 204) else {}
        responses[str(status)] = {"description": text} | shown
    refused = {} if route.method == "HEAD" else {"content": refusal}
    ours = {str(status): text for status, text in told.errors.items()}
    for status, text in (ours | {"4XX": "The request is refused.", "5XX": "It failed."}).items():
        responses[status] = {"description": text} | refused
    return responses


def _anything(kind: type) -> Document:
    """The schema of a value that may be any JSON."""
    if kind is not object:
        raise NotImplementedError  # what msgspec asks of a hook that does not know the type
    return {"description": "Any JSON value."}  # msgspec takes an empty schema for none


def _members(answer: Type) -> tuple[Type, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _structs(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """Every struct that some types are made of."""
    structs: set[type[msgspec.Struct]] = set()

    def look(part: object) -> None:
        if isinstance(part, msgspec.inspect.StructType):
            if part.cls in structs:
                return
            structs.add(part.cls)
        if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
            for each in msgspec.structs.asdict(part).values():
                look(each)
        elif isinstance(part, tuple):
            for each in part:
                look(each)

    for kind in types:
        look(msgspec.inspect.type_info(kind))
    return structs


def _names(struct: type) -> tuple[str, str]:
    """The names that msgspec may give a struct's schema: the short one, or where two have that, the long one."""
    return struct.__name__, re.sub(r"[^a-zA-Z0-9.\-_]", "_", f"{struct.__module__}.{struct.__qualname__}")


def _tell_as_written(schema: Document, *, whole: bool) -> None:
    """Times as RFC 3339, no defaults, and as required what is always there: everything, where `whole`."""
    for name, field in schema.get("properties", {}).items():
        field.pop("default", None)
        if name in _TIMES and field.get("type") == "number":
            field |= {"type": "string", "format": "date-time"}
    if whole and "properties" in schema:
        schema["required"] = list(schema["properties"])


def _tell_as_read(schema: Document) -> None:
    """What may be left out may be null as well."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        if name not in required:
            schema["properties"][name] = _or_null(field)


def _or_null(schema: Document) -> Document:
    """A schema that takes null too."""
    told = {name: schema[name] for name in ("description",) if name in schema}
    rest = {name: each for name, each in schema.items() if name not in told}
    if not rest or rest.get("type") == "null" or None in rest.get("enum", ()):
        return schema
    members = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    if any(each.get("type") == "null" for each in members):
        return schema
    return {"anyOf": [*members, {"type": "null"}]} | told
