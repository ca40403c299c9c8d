"""What is taken out of text, and what is left alone."""

from __future__ import annotations

import pytest

from thane.config.settings import Auth, HomeAssistant, Settings
from thane.redaction import Redactor, is_secret_name, known_secrets


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted]"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "authorization: Basic [redacted]"),
        ("key sk-ant-api03-abcdefghijklmnop-QR done", "key [redacted] done"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123 it is", "[redacted] it is"),
        ("xoxb-123456789012-abcdef", "[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("hf_abcdefghijklmnopqrstuv", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xx.c2lnbmF0dXJlMTIz", "[redacted]"),
        ("mqtt://house:s3cret@broker:1883", "mqtt://house:[redacted]@broker:1883"),
        ('{"api_key": "a1b2c3d4e5"}', '{"api_key": "[redacted]"}'),
        ("https://x.test/?access_token=abc12345&lang=en", "https://x.test/?access_token=[redacted]&lang=en"),
        ("password=correcthorse9 and more", "password=[redacted] and more"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nend", "[redacted]\nend"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[redacted]"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, left: str) -> None:
    assert left == Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Turn off the kitchen lights.",
        "The password is kept in the safe; ask before you open it.",
        "Token: a piece of a word. max_tokens: 4096, tokens: 12345678",
        "light.living_room_lamp is at 80 %, the key is under the mat",
        "https://example.test/risk-assessment-of-the-year-2026",
        "mind the task-based approach, sk-short",
        "The cookie jar is empty.",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert text == Redactor().text(text)


def test_a_secret_of_the_configuration_is_taken_out_wherever_it_stands() -> None:
    redactor = Redactor(["opensesame", "opensesame-two", "ab"])
    assert "say [redacted], [redacted] and ab" == redactor.text("say opensesame, opensesame-two and ab")


def test_a_value_is_redacted_at_every_depth_by_name_and_by_look() -> None:
    value = {
        "headers": {"X-Api-Key": "short", "Accept": "text/html"},
        "list": [{"password": "word"}, "Bearer abcdefghijkl0123"],
        "max_tokens": "100",
        "token": "",
        "count": 3,
    }
    assert {
        "headers": {"X-Api-Key": "[redacted]", "Accept": "text/html"},
        "list": [{"password": "[redacted]"}, "Bearer [redacted]"],
        "max_tokens": "100",
        "token": "",
        "count": 3,
    } == Redactor().value(value)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("api_key", True), ("HOME_TOKEN", True), ("client-secret", True), ("tokens", False), ("max_token", False)],
)
def test_a_name_tells_a_secret(name: str, secret: bool) -> None:
    assert secret == is_secret_name(name)


def test_the_secrets_of_a_configuration_are_found() -> None:
    settings = Settings(
        auth=Auth(keys=("door-key-1", "door-key-2")),
        homeassistant=HomeAssistant(token="house-token"),
        mqtt={"broker": "mqtt://x", "password": "mqtt-word", "nested": [{"api_key": "deep-key"}]},
    )
    assert {"door-key-1", "door-key-2", "house-token", "mqtt-word", "deep-key"} == set(known_secrets(settings))


def test_of_a_header_with_a_scheme_the_key_alone_is_known_too() -> None:
    assert {"Bearer abc-def", "abc-def"} == set(known_secrets({"headers": {"Authorization": "Bearer abc-def"}}))
