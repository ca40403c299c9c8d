"""What the declared shapes of bodies have in common. They describe; `thane.wire` is what reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

type Object = dict[str, Any]
type Rule = Mapping[str, Any]


class Shape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A body or a part of one. A field with a default may be left out, and in a request may be null.

    `between_fields` is JSON Schema for what no field says alone.
    """

    between_fields: ClassVar[Rule] = {}


def about(text: str, **words: Any) -> msgspec.Meta:
    """What a field means, as Markdown with nothing but code in backticks. `words` are further ones of JSON Schema."""
    return msgspec.Meta(description=text, extra_json_schema=words or None)


def form(name: str) -> msgspec.Meta:
    """A format that no schema can say in full."""
    return msgspec.Meta(extra_json_schema={"format": name})


Name = Annotated[str, msgspec.Meta(min_length=1)]
Said = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""A text with something in it besides spaces."""
Base64Image = Annotated[str, form("base64-image")]
"""Base64 of a png, jpeg, gif or webp."""
