"""What the declared shapes of bodies have in common. They describe; `thane.wire` is what reads and writes."""

from __future__ import annotations

from typing import Any

import msgspec

type Object = dict[str, Any]


class Shape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A body or a part of one. A field with a default may be left out, and in a request may be null."""


def about(text: str) -> msgspec.Meta:
    """What a field means, as Markdown with nothing but code in backticks."""
    return msgspec.Meta(description=text)
