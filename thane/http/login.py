"""The one page that the door itself serves: where a browser is given a key and gets a session for it.

The key goes to Thane once, in a form or as `?key=` of an address; from then on the browser shows a cookie that is made
from it and cannot be turned back. The page holds no script, and nothing of the house.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

import msgspec

from thane.http.admission import SESSION_COOKIE, make_session

LOGIN_PATH = "/login"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;background:#111;color:#e1e1e1;display:grid;place-items:center;"
    "min-height:100vh;margin:0}form{width:min(22rem,90vw)}h1{font-size:1.25rem}"
    "input,button{box-sizing:border-box;width:100%;padding:.6rem;margin-top:.6rem;font:inherit;border-radius:.5rem;"
    "border:1px solid #555;background:#1c1c1c;color:inherit}button{background:#009ac7;border:0;color:#000}"
    "p{color:#ff9c66;min-height:1.5em}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Thane</title>
<style>{style}</style></head>
<body><form method="post" action="{action}">
<h1>Thane asks for a key</h1>
<label for="key">One of the keys of the configuration (auth.keys)</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<input name="next" type="hidden" value="{next}">
<button>Sign in</button>
<p role="alert">{message}</p>
</form></body>
</html>
"""
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'".encode(),
    ),
)


class Reply(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


def login_page(next_path: str, message: str = "") -> Reply:
    """The form; it leads on to `next_path`. Its status is 401, for nothing was given."""
    page = _PAGE.format(style=_STYLE, action=LOGIN_PATH, next=escape(own_path(next_path)), message=escape(message))
    return Reply(401, _HEADERS, page.encode())


def signed_in(key: str, next_path: str, now: float, session_seconds: int) -> Reply:
    """Lead on to `next_path` with a session. `now` is in epoch seconds."""
    cookie = f"{SESSION_COOKIE}={make_session(key, now)}; Path=/; Max-Age={session_seconds}; HttpOnly; SameSite=Strict"
    return Reply(
        303,
        (
            (b"location", own_path(next_path).encode("ascii", "ignore")),
            (b"set-cookie", cookie.encode()),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"same-origin"),
        ),
    )


def own_path(path: str) -> str:
    """`path` if it stays with this server, otherwise the front page: `//host` and `/\\host` lead elsewhere."""
    if not path.startswith("/") or path[1:2] in {"/", "\\"} or not path.isprintable():
        return "/"
    return path
