"""Images of a request."""

from __future__ import annotations

import base64

import pytest

from thane.config.settings import Limits
from thane.wire.errors import FieldError
from thane.wire.images import check_images

PNG = b"\x89PNG\r\n\x1a\n"


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("raw", [PNG, b"\xff\xd8\xff\xe0", b"GIF87a", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBPVP8 "])
def test_four_kinds_of_pictures_are_taken(raw: bytes) -> None:
    assert (encoded(raw),) == check_images([encoded(raw)], Limits(), "images")


@pytest.mark.parametrize("raw", [b"", b"<svg/>", b"BM", b"RIFF\x00\x00\x00\x00WAVE", b"%PDF-1.7", PNG[1:]])
def test_what_is_no_picture_is_refused(raw: bytes) -> None:
    with pytest.raises(FieldError, match=r"images\[1\] is no image that models read"):
        check_images([encoded(PNG), encoded(raw)], Limits(), "images")


def test_a_large_one_is_refused_with_the_name_of_the_limit() -> None:
    image = encoded(PNG + bytes(100))
    assert (image,) == check_images([image], Limits(image_bytes=108), "images")
    with pytest.raises(FieldError, match=r"has 108 bytes; at most 107 are accepted \(limits.image_bytes\)"):
        check_images([image], Limits(image_bytes=107), "images")
