"""Holds an answer to the shape that a document tells of it."""

from __future__ import annotations

from typing import Any

import jsonschema


def check(told: dict[str, Any], key: str, value: object) -> None:
    """Fail where `value` is no answer of `key` ("METHOD path"), or has a field, at any depth, that is not told."""
    method, path = key.split()
    content = told["paths"][path][method.lower()]["responses"]["200"]["content"]
    shape = content["application/json"]["schema"]
    jsonschema.validate(value, shape | {"components": told["components"]})
    assert [] == _untold(told["components"]["schemas"], shape, value, key)


def _untold(shapes: dict[str, Any], shape: dict[str, Any], value: object, where: str) -> list[str]:
    shape = shapes[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
    if "anyOf" in shape:
        return min((_untold(shapes, each, value, where) for each in shape["anyOf"]), key=len)
    if isinstance(value, list):
        return [each for part in value for each in _untold(shapes, shape.get("items", {}), part, f"{where}[]")]
    if not isinstance(value, dict) or "properties" not in shape:
        return []
    properties = shape["properties"]
    found = [f"{where}.{name}" for name in value if name not in properties]
    for name, part in value.items():
        found += _untold(shapes, properties.get(name, {}), part, f"{where}.{name}")
    return found
