"""Open WebUI's signed word about its user (`X-OpenWebUI-User-Jwt`): checked before anyone is believed to be someone.

It is a JSON Web Token (RFC 7519) with HMAC SHA-256, as Open WebUI 0.12 makes it (utils/headers.py): `sub`, `email`,
`name`, `role`, `iss`, `iat`, `exp`. Twenty lines of the standard library check that one kind, and know no other: what a
token says about its own algorithm is compared, never obeyed. Pure: the time is passed in.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

HEADER = "x-openwebui-user-jwt"
_USER_HEADERS = "x-openwebui-user-"
_ISSUER = "open-webui"
_LEEWAY_SECONDS = 60.0
_LONGEST = 8192


class TokenError(Exception):
    """A token that proves nothing; the message says why, without what is in it."""


class _Head(msgspec.Struct):
    alg: str = ""


class Claims(msgspec.Struct):
    """Who the user is. `exp` and `iat` are epoch seconds."""

    exp: float
    sub: str = ""
    name: str = ""
    email: str = ""
    role: str = ""
    iss: str = ""
    iat: float = 0.0
    nbf: float = 0.0


def check(token: str, secret: str, now: float) -> Claims:
    """What a token says, if it may be believed. Raises TokenError."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST:
        raise TokenError("it is not a signed token")
    try:
        head = msgspec.json.decode(_bytes(parts[0]), type=_Head)
        signature = _bytes(parts[2])
    except (msgspec.MsgspecError, ValueError, binascii.Error):
        raise TokenError("it is not a signed token") from None
    if head.alg != "HS256":
        raise TokenError("it is not signed with HS256")
    expected = hmac.digest(secret.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256)
    if not hmac.compare_digest(expected, signature):
        raise TokenError("its signature is not of the configured secret")
    try:
        claims = msgspec.json.decode(_bytes(parts[1]), type=Claims)
    except (msgspec.MsgspecError, ValueError, binascii.Error):
        raise TokenError("it does not say what such a token has to say, an expiry among it") from None
    if claims.iss != _ISSUER:
        raise TokenError("it is not Open WebUI's")
    if now >= claims.exp + _LEEWAY_SECONDS:
        raise TokenError("it has expired")
    if max(claims.iat, claims.nbf) > now + _LEEWAY_SECONDS:
        raise TokenError("it is of a time to come")
    return claims


def trusted(headers: Mapping[str, str], secret: str, now: float) -> tuple[Mapping[str, str], str]:
    """The headers with only such words about the user as can be believed, and why a token was not ("" if it was).

    Without a secret nothing is changed: the plain headers are as good as the network that they come over. With one, a
    user is whom the token says; a plain header beside it, or in its place, names no one.
    """
    if not secret or not any(name.startswith(_USER_HEADERS) for name in headers):
        return headers, ""
    kept = {name: value for name, value in headers.items() if name == HEADER or not name.startswith(_USER_HEADERS)}
    token = headers.get(HEADER, "")
    if not token:
        return kept, "there is none, only plain headers"
    try:
        claims = check(token, secret, now)
    except TokenError as error:
        return kept, str(error)
    told = {"name": claims.name, "email": claims.email, "id": claims.sub, "role": claims.role}
    return kept | {f"{_USER_HEADERS}{name}": quote(value) for name, value in told.items() if value}, ""


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
