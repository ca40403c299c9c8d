"""The smallest value that a JSON schema allows, for doubles that must answer in a form that they are only told.

All properties of an object are given. Keywords that combine or forbid are not looked at, but for the first of `anyOf`,
`oneOf` and `allOf`: not a validator, nor a generator of many values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

type JSON = dict[str, Any]

_DEPTH = 8  # of schemas that refer to themselves


@dataclass(frozen=True)
class Sampler:
    """Samples of the parts of one schema: `text` for strings, the first of `numbers` for numbers."""

    root: JSON
    text: str = "so be it"
    numbers: Sequence[int] = ()

    def value(self, schema: JSON | None = None, depth: int = 0) -> Any:
        """A value of this schema, or of the whole."""
        schema = self._plain(self.root if schema is None else schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema or depth == 0 else "string")
        match kind[0] if isinstance(kind, list) else kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case name:
                return self._scalar(schema, name)

    def _plain(self, schema: JSON) -> JSON:
        """The schema with what it refers to, and the first of what it leaves open, in its place."""
        for _ in range(_DEPTH):
            if "$ref" in schema:
                target: Any = self.root
                for part in str(schema["$ref"]).removeprefix("#/").split("/"):
                    target = target[part]
                schema = target
            several = next((key for key in ("anyOf", "oneOf", "allOf") if schema.get(key)), None)
            if several is None:
                break
            rest = {key: value for key, value in schema.items() if key != several}
            schema = rest | schema[several][0]
        return schema

    def _object(self, schema: JSON, depth: int) -> JSON:
        properties: dict[str, JSON] = {} if depth > _DEPTH else schema.get("properties") or {}
        return {name: self.value(each, depth + 1) for name, each in properties.items()}

    def _array(self, schema: JSON, depth: int) -> list[Any]:
        item: JSON = schema.get("items") or {"type": "string"}
        return [] if depth > _DEPTH else [self.value(item, depth + 1)] * max(1, int(schema.get("minItems", 1)))

    def _scalar(self, schema: JSON, kind: str) -> Any:
        if kind in ("integer", "number"):
            return self.numbers[0] if self.numbers else max(1, schema.get("minimum", 1))
        if kind in ("boolean", "null"):
            return True if kind == "boolean" else None
        return self.text[: int(schema.get("maxLength", 80))]
