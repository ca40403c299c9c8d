"""What kind of picture base64 text holds, for the protocols that want to be told. Pure."""

from __future__ import annotations

_BEGINNINGS = {"iVBORw0KGgo": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp", "/9j/": "image/jpeg"}


def media_type(image: str) -> str:
    """The media type, from the first bytes; JPEG where they say nothing."""
    return next((kind for start, kind in _BEGINNINGS.items() if image.startswith(start)), "image/jpeg")


def data_url(image: str) -> str:
    """The picture as a `data:` URL."""
    return f"data:{media_type(image)};base64,{image}"
