"""A signed word about Open WebUI's user is believed; an unsigned, a foreign, an old and a tampered one are not."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest

from thane.wire import caller
from thane.wire.open_webui_token import HEADER, TokenError, check, trusted

SECRET = "a secret of both"
NOW = 1_800_000_000.0
CLAIMS = {
    "sub": "u-1",
    "email": "ada@example.org",
    "name": "Ada Löve",
    "role": "user",
    "iss": "open-webui",
    "iat": NOW - 10,
    "exp": NOW + 290,
}


def packed(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def token(secret: str = SECRET, alg: str = "HS256", **claims: Any) -> str:
    body = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    signed = f"{packed(msgspec.json.encode({'alg': alg, 'typ': 'JWT'}))}.{packed(msgspec.json.encode(body))}"
    return f"{signed}.{packed(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def test_a_token_of_pyjwts_making_is_believed() -> None:
    """Made once with PyJWT 2.13 (`jwt.encode(claims, secret, algorithm="HS256")`)."""
    made = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1LTEiLCJuYW1lIjoiQWRhIExcdTAwZjZ2ZSIsImlzcyI6Im9wZW4td2Vi"
        "dWkiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MH0.qF6yOtVlRVqz8WfAml9hpEziuj7hlJpugWHUGb12Fuc"
    )
    claims = check(made, SECRET, NOW)
    assert ("u-1", "Ada Löve") == (claims.sub, claims.name)


def test_the_user_is_the_one_of_the_token() -> None:
    headers, why = trusted({HEADER: token(), "x-openwebui-user-name": "Mallory"}, SECRET, NOW)
    assert ("Ada Löve", "owu", "") == (caller.identify(headers).user, caller.identify(headers).channel, why)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (token("another"), "signature"),
        (token(alg="none"), "HS256"),
        (token(alg="HS512"), "HS256"),
        (token(exp=NOW - 61), "expired"),
        (token(exp=None), "expiry"),
        (token(exp="soon"), "expiry"),
        (token(iat=NOW + 61), "to come"),
        (token(nbf=NOW + 61), "to come"),
        (token(iss="someone"), "Open WebUI's"),
        (token().rpartition(".")[0] + ".", "signature"),
        ("a.b", "signed token"),
        ("ä.ö.ü", "signed token"),
        ("x" * 9000, "signed token"),
        ("", "none"),
    ],
)
def test_what_proves_nothing_names_no_one(given: str, why: str) -> None:
    headers, told = trusted(
        {HEADER: given, "x-openwebui-user-name": "Mallory", "x-openwebui-chat-id": "c"}, SECRET, NOW
    )
    assert why in told
    found = caller.identify(headers)
    assert ("", "c", "owu") == (found.user, found.conversation_id, found.channel)


def test_a_changed_word_breaks_the_signature() -> None:
    head, body, signature = token().split(".")
    changed = packed(msgspec.json.encode(CLAIMS | {"name": "Mallory"}))
    assert body != changed
    with pytest.raises(TokenError, match="signature"):
        check(f"{head}.{changed}.{signature}", SECRET, NOW)


def test_without_a_secret_plain_headers_are_taken_as_they_are() -> None:
    headers = {"x-openwebui-user-name": "Ada"}
    assert (headers, "") == trusted(headers, "", NOW)
