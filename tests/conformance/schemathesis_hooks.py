"""What Schemathesis is told before it reads Thane's documents: how values look that no schema can say in full.

Loaded into Schemathesis' own process. Nothing is left out here that a request could get wrong: only what a document
says in words that Schemathesis does not know, or what holds between one field and another.
"""

# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import strategies as st

type Document = dict[str, Any]

_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one pixel
_FORMATS = {
    "base64-image": st.just(_PNG),
    "image-data-uri": st.just(f"data:image/png;base64,{_PNG}"),
    "model-name": st.sampled_from(("thane:latest", "thane", "THANE", "nope", "registry.example/some/model:1b")),
    "go-duration": st.sampled_from(("5m", "1h30m", "300ms", "-1s", "0", "1.5h")),
    "conversation-id": st.sampled_from(("default", "c_0123456789abcdef", "kitchen 1")),
    # Only what a list, or a response, has given is one. None is as good as empty.
    "cursor": st.just(""),
    "response-id": st.just(""),
}
_TOLD = "x-told-in-other-words"
for _name, _strategy in _FORMATS.items():
    schemathesis.openapi.format(_name, _strategy)


@schemathesis.serializer("application/gzip")
def _as_it_is(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A file: any bytes."""
    return value if isinstance(value, bytes) else repr(value).encode()


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: Document) -> None:
    """Say in words that Schemathesis knows what it does not know, or what is of several fields at once."""
    if raw_schema.setdefault(_TOLD, False):  # Schemathesis reads this module twice
        return
    raw_schema[_TOLD] = True
    for operation in _operations(raw_schema):
        for parameter in operation.get("parameters", ()):
            if parameter.get("allowEmptyValue"):
                parameter["schema"] = _or_empty(parameter["schema"])
    schemas: Document = raw_schema["components"]["schemas"]
    for name in ("ChatCompletionRequest", "ResponseRequest", "MessagesRequest"):
        if name in schemas:  # a function that is named has to be among the request's own
            choice = schemas[name]["properties"]["tool_choice"]
            choice["anyOf"] = [each for each in choice["anyOf"] if "$ref" not in each]
    if "AnthropicMessage" in schemas:  # the last one is not the assistant's
        schemas["AnthropicMessage"]["properties"]["role"]["enum"].remove("assistant")


def _operations(document: Document) -> Iterator[Document]:
    for methods in document["paths"].values():
        yield from methods.values()


def _or_empty(schema: Document) -> Document:
    """`allowEmptyValue` is not looked at by Schemathesis; it would take an empty value for a wrong one."""
    if schema["type"] == "array":
        return schema | {"items": _or_empty(schema["items"])}
    return {"anyOf": [schema, {"const": ""}]}
