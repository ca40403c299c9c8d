"""JSON text that survives every client's line splitter. Pure; msgspec does the encoding.

Go writes `<`, `>`, `&`, U+2028 and U+2029 as `\\uXXXX` (encoding/json, HTMLEscape), and Python clients split lines at
U+0085, U+2028 and U+2029 too, so all six are escaped here.
"""

from __future__ import annotations

import msgspec

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


def quote(text: str) -> bytes:
    """`text` as a JSON string, not yet escaped. Half surrogate pairs become U+FFFD, as Go's encoder has it."""
    try:
        return _encode(text)
    except UnicodeEncodeError:
        return _encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def escape(json: bytes) -> bytes:
    """Encoded JSON with what splits lines escaped. These bytes occur nowhere in JSON but inside strings."""
    return (
        json.replace(b"<", b"\\u003c")
        .replace(b">", b"\\u003e")
        .replace(b"&", b"\\u0026")
        .replace(b"\xe2\x80\xa8", b"\\u2028")
        .replace(b"\xe2\x80\xa9", b"\\u2029")
        .replace(b"\xc2\x85", b"\\u0085")
    )


def dump(value: object) -> bytes:
    """`value` as escaped JSON; for whole answers, not for the token path."""
    try:
        return escape(_encode(value))
    except UnicodeEncodeError:
        return escape(_encode(_mend(value)))


def _mend(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(each) for each in value]
    return value
