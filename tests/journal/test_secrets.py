"""No secret of the configuration is in a log line."""

from __future__ import annotations

from thane.journal.secrets import HIDDEN, Secrets
from thane.redaction import known_secrets


def test_values_named_like_secrets_are_hidden_wherever_they_stand() -> None:
    secrets = Secrets({"auth": {"keys": ["abcdefgh"]}, "homeassistant": {"token": "ijklmnop", "url": "http://ha"}})
    assert f"{HIDDEN} and {HIDDEN} of http://ha" == secrets.text("abcdefgh and ijklmnop of http://ha")


def test_headers_of_a_model_server_are_hidden_whatever_they_are_called() -> None:
    servers = [{"name": "box", "headers": {"x-team": "hush-hush"}}]
    assert f"sent {HIDDEN} to box" == Secrets({"models": {"providers": servers}}).text("sent hush-hush to box")
    assert "hush-hush" in known_secrets({"providers": servers})


def test_short_values_do_not_blot_out_words() -> None:
    assert "the house" == Secrets({"password": "the"}).text("the house")


def test_attributes_named_like_secrets_are_hidden_but_not_counts() -> None:
    found = Secrets().attributes({"api_key": "x", "Authorization": "Bearer x", "tokens": 7, "monkey": "m"})
    assert {"api_key": HIDDEN, "Authorization": HIDDEN, "tokens": 7, "monkey": "m"} == found
