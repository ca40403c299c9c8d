from __future__ import annotations

import base64
import hashlib
import re

import pytest

from thane.http.login import login_page, own_path, signed_in


@pytest.mark.parametrize("path", ["/", "/a/b?c=d", "/%2F%2Fevil.example"])
def test_paths_of_this_server_are_kept(path: str) -> None:
    assert path == own_path(path)


@pytest.mark.parametrize(
    "path", ["", "//evil.example", "/\\evil.example", "http://evil.example", "/\r\nSet-Cookie: a", "x"]
)
def test_paths_that_lead_elsewhere_become_the_front_page(path: str) -> None:
    assert "/" == own_path(path)


def test_the_page_shows_what_it_was_given_as_text() -> None:
    page = login_page('/"><script>', "<b>")
    assert b"<script>" not in page.body
    assert b"<b>" not in page.body
    assert b'value="/&quot;&gt;&lt;script&gt;"' in page.body


def test_the_policy_allows_the_pages_own_style_and_no_more() -> None:
    page = login_page("/")
    style = re.search(rb"<style>(.*)</style>", page.body)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1]).digest())
    policy = dict(page.headers)[b"content-security-policy"]
    assert b"style-src 'sha256-" + digest + b"'" in policy
    assert b"script" not in policy


def test_a_session_is_for_this_site_and_no_script() -> None:
    headers = dict(signed_in("key", "/x", 1_795_000_000.5, 60).headers)
    assert headers[b"set-cookie"].startswith(b"thane_session=1795000000.")
    assert headers[b"set-cookie"].endswith(b"; Path=/; Max-Age=60; HttpOnly; SameSite=Strict")
    assert b"/x" == headers[b"location"]
