"""Who is let in: the decisions about a request's Host, Origin and key, as functions of plain values.

Not here: reading requests and answering them (`thane.http.guard`).

Host guards against DNS rebinding: a page of a stranger whose name suddenly points to this machine still sends its own
name. Origin guards against pages of strangers that call this machine directly. Neither is sent falsely by a browser.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from thane.config.settings import Auth, Settings
from thane.http.listeners import Name

type Reason = Literal["host", "origin", "key"]

_APP_SCHEMES = frozenset(
    (
        *("app", "file", "tauri", "vscode-webview", "vscode-file"),
        *("chrome-extension", "moz-extension", "safari-extension", "safari-web-extension", "ms-browser-extension"),
    )
)
"""Origins of programs and browser extensions that may use the Ollama port, as Ollama's `AllowedOrigins` lets them."""

_LOCAL_ORIGINS = frozenset(("localhost", "127.0.0.1", "0.0.0.0", "::1"))  # noqa: S104 compared, not bound
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
SESSION_COOKIE = "thane_session"


class Doors(msgspec.Struct, frozen=True):
    """What a listener lets in. `keys` are SHA-256 digests; none means that no key is asked for."""

    listener: Name
    hosts: frozenset[str]
    host_suffixes: tuple[str, ...]
    origins: frozenset[str]
    keys: tuple[bytes, ...]
    session_seconds: int


class Visit(msgspec.Struct, frozen=True):
    """What a request says of itself. Header values are "" where there is none."""

    method: str
    path: str
    host: str = ""
    origin: str = ""
    authorization: str = ""
    api_key: str = ""  # the header x-api-key, as Anthropic's clients send it
    cookie: str = ""
    server_address: str = ""  # of this machine, as the client reached it
    websocket: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """Why not, in words for the one who asked."""

    status: int
    reason: Reason
    message: str


def doors_of(settings: Settings, listener: Name, hostname: str) -> Doors:
    """What `listener` lets in on a machine called `hostname`."""
    auth: Auth = settings.auth
    address = settings.listen.address if listener == "native" else settings.ollama_api.address
    machine = hostname.lower()
    own = {"localhost", machine, f"{machine.partition('.')[0]}.local", address.lower()} - {""}
    suffixes = (".localhost",) if listener == "native" else (".localhost", ".local", ".internal")
    return Doors(
        listener=listener,
        hosts=frozenset(own | {host_name(each) for each in auth.allowed_hosts}),
        host_suffixes=suffixes,
        origins=frozenset(each.lower().rstrip("/") for each in auth.allowed_origins),
        keys=tuple(_digest(key) for key in auth.keys),
        session_seconds=auth.session_days * 86_400,
    )


def check_place(doors: Doors, visit: Visit) -> Refusal | None:
    """Whether the request comes under a name of this machine's and from no stranger's page."""
    if visit.host and not host_is_ours(doors, visit.host, visit.server_address):
        name = host_name(visit.host)
        return Refusal(403, "host", f"{name} is no name of this machine; add it to auth.allowed_hosts to allow it")
    if visit.origin and not origin_is_allowed(doors, visit.origin, visit.host):
        return Refusal(403, "origin", f"pages of {visit.origin} are not allowed here; see auth.allowed_origins")
    return None


def check_key(doors: Doors, visit: Visit, now: float) -> Refusal | None:
    """Whether the request shows a key, by header or by a browser's session. `now` is in epoch seconds."""
    if not doors.keys:
        return None
    scheme, _, key = visit.authorization.partition(" ")
    if scheme.lower() == "bearer" and key_is_known(doors.keys, key.strip()):
        return None
    if visit.api_key and key_is_known(doors.keys, visit.api_key.strip()):
        return None
    if doors.listener == "native" and session_is_valid(doors, _cookie(visit.cookie, SESSION_COOKIE), now):
        if visit.origin or (visit.method in _SAFE_METHODS and not visit.websocket):
            return None
        return Refusal(403, "origin", "a browser's session may act only from Thane's own pages (Origin is missing)")
    what = "the key is not known" if visit.authorization or visit.api_key else "a key is needed"
    return Refusal(401, "key", f"{what}: send it as Authorization: Bearer KEY (auth.keys)")


def host_is_ours(doors: Doors, host: str, server_address: str) -> bool:
    """Whether a Host header names this machine: a known name, or an address that no public name could stand for."""
    name = host_name(host)
    if name in doors.hosts or name.endswith(doors.host_suffixes):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_private or name == server_address.removeprefix("::ffff:")


def origin_is_allowed(doors: Doors, origin: str, host: str) -> bool:
    """Whether a page of `origin` may talk to this listener under the name `host`."""
    origin = origin.lower()
    if origin in doors.origins or is_same_origin(origin, host):
        return True
    if doors.listener != "ollama":
        return False
    try:
        parts = urlsplit(origin)
        local = parts.hostname in _LOCAL_ORIGINS or (parts.hostname or "").endswith(".localhost")
        return parts.scheme in _APP_SCHEMES or (parts.scheme in {"http", "https"} and local and parts.port != 0)
    except ValueError:
        return False


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served under `host`. The scheme may differ: a proxy may add TLS."""
    scheme, separator, authority = origin.lower().partition("://")
    if not separator or not authority:
        return False
    port = _DEFAULT_PORTS.get(scheme, "")
    return authority.removesuffix(f":{port}") == host.lower().removesuffix(f":{port}")


def host_name(authority: str) -> str:
    """The name or address of `name:port`, `[address]:port` or either without a port, in lower case."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    if authority.count(":") > 1:
        return authority  # an IPv6 address without brackets, as in the configuration
    return authority.partition(":")[0].rstrip(".")


def key_is_known(keys: Sequence[bytes], key: str) -> bool:
    """Whether `key` is one of those with these digests, in a time that says nothing of them."""
    shown = _digest(key)
    known = False
    for each in keys:
        known |= hmac.compare_digest(shown, each)
    return known


def make_session(key: str, now: float) -> str:
    """The value of a browser's cookie: the time and a code of it that only one who has the key could make."""
    issued = str(int(now))
    return f"{issued}.{_session_code(_digest(key), issued)}"


def session_is_valid(doors: Doors, session: str, now: float) -> bool:
    """Whether one of the keys made this session, not longer ago than a session lasts."""
    issued, _, code = session.partition(".")
    if not (issued.isascii() and issued.isdigit() and len(issued) < 12 and code.isascii()):
        return False
    valid = False
    for each in doors.keys:
        valid |= hmac.compare_digest(code, _session_code(each, issued))
    return valid and 0 <= now - int(issued) <= doors.session_seconds


def _session_code(digest: bytes, issued: str) -> str:
    return hmac.new(digest, f"thane browser session {issued}".encode(), hashlib.sha256).hexdigest()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _cookie(header: str, name: str) -> str:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
