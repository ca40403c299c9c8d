"""Images of a request: base64 that is one of four kinds of picture, and not too large. Nothing is ever fetched.

Kinds are told by a file's first bytes, whatever the request calls it. Not here: which models can look at images.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from thane.config.settings import Limits
from thane.wire.errors import FieldError

_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")  # png, jpeg, gif


def check_images(images: Sequence[str], limits: Limits, where: str) -> tuple[str, ...]:
    """Base64 without the line breaks that Go's decoder skips too. Raises FieldError for too many, too large, or none
    of png, jpeg, gif and webp."""
    if len(images) > limits.images_per_message:
        raise FieldError(
            f"{where} has {len(images)} images; at most {limits.images_per_message} are accepted "
            "(limits.images_per_message)",
            where,
        )
    return tuple(_checked(image, limits, f"{where}[{number}]", where) for number, image in enumerate(images))


def _checked(image: str, limits: Limits, place: str, where: str) -> str:
    data = image.replace("\n", "").replace("\r", "")
    try:
        raw = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise FieldError(f"{place} is not base64: {error}", where) from None
    if len(raw) > limits.image_bytes:
        raise FieldError(
            f"{place} has {len(raw)} bytes; at most {limits.image_bytes} are accepted (limits.image_bytes)", where
        )
    if not _is_picture(raw):
        raise FieldError(f"{place} is no image that models read: png, jpeg, gif and webp are accepted", where)
    return data


def _is_picture(raw: bytes) -> bool:
    return raw.startswith(_STARTS) or (raw[:4] == b"RIFF" and raw[8:12] == b"WEBP")
