"""The door of a listener: every request and WebSocket passes here first, whatever it asks for.

An ASGI application around the real one. It reads a request's own words, asks `thane.http.admission`, and refuses, lets
a browser sign in, answers a preflight, or passes on. Everything needs a key once keys are configured, except on the
native listener `GET /health`, `/health/live` and `/health/ready`, which whatever watches the process asks without one,
and the static files, which hold nothing of the house.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlencode

import structlog
import trio

from thane.clock import Clock, SystemClock
from thane.config.settings import Settings
from thane.events.event import Publisher
from thane.http.admission import Doors, Refusal, Visit, check_key, check_place, doors_of, is_same_origin, key_is_known
from thane.http.listeners import Name
from thane.http.login import LOGIN_PATH, Reply, login_page, signed_in
from thane.http.problems import (
    REQUEST_ID,
    SHOULD_RETRY,
    Problem,
    RenderProblem,
    native_problem,
    ollama_problem,
    shared_problem,
)
from thane.http.site import ASGIApp, ASGIMessage, Receive, Scope, Send

_log = structlog.get_logger("thane.http")

_LOGIN_FORM_BYTES = 8192
_SHOWN_PATH_CHARS = 200
_STATIC = "/static/"
_HEALTH = {"/health", "/health/live", "/health/ready"}
_CORS_METHODS = b"GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_CORS_HEADERS = ",".join(
    (
        *("Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"),
        *("X-Api-Key", "Anthropic-Version", "Anthropic-Beta", "Anthropic-Dangerous-Direct-Browser-Access"),
        *(
            f"X-Stainless-{name}"
            for name in (
                *("Arch", "Async", "Custom-Poll-Interval", "Helper-Method", "Lang", "OS", "Package-Version"),
                *("Poll-Helper", "Retry-Count", "Runtime", "Runtime-Version", "Timeout"),
            )
        ),
    )
).encode()
_CORS_MAX_AGE = b"43200"
_READ = {
    b"host": "host",
    b"origin": "origin",
    b"authorization": "authorization",
    b"x-api-key": "api_key",
    b"cookie": "cookie",
    b"accept": "accept",
    b"access-control-request-method": "preflight",
}


def guarded(
    app: ASGIApp,
    settings: Settings,
    events: Publisher,
    *,
    listener: Name,
    clock: Clock | None = None,
    hostname: str | None = None,
) -> ASGIApp:
    """`app` behind the door of `listener`. Refusals are published as `system/request_refused`, in a flood only some."""
    doors = doors_of(settings, listener, socket.gethostname() if hostname is None else hostname)
    problems = native_problem if listener == "native" else ollama_problem
    if listener == "native" and settings.ollama_api.is_on_native_port:
        problems = shared_problem
    refusals = Refusals(events, listener, settings.limits.refused_events_per_minute)
    return _Guard(app, doors, problems, refusals, clock or SystemClock())


class Refusals:
    """Reports refused requests, at most so many in a minute; `suppressed` counts the others."""

    def __init__(self, events: Publisher, listener: Name, per_minute: int) -> None:
        self.suppressed = 0
        self._events = events
        self._listener: Name = listener
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._reported_at = -math.inf

    def report(self, refusal: Refusal, path: str, request_id: str = "") -> None:
        """Publish and log one refusal, unless there were too many."""
        now = trio.current_time()
        self._left = min(self._per_minute, self._left + (now - self._reported_at) / 60 * self._per_minute)
        self._reported_at = now
        if self._left < 1:
            self.suppressed += 1
            return
        self._left -= 1
        told = {"listener": self._listener, "reason": refusal.reason, "status": refusal.status}
        path = path[:_SHOWN_PATH_CHARS]
        self._events.publish("system", "request_refused", **told, path=path)
        _log.warning(
            "request refused",
            **told,
            path=path,
            message=refusal.message,
            suppressed=self.suppressed,
            request_id=request_id,
        )


class _Guard:
    def __init__(self, app: ASGIApp, doors: Doors, problems: RenderProblem, refusals: Refusals, clock: Clock) -> None:
        self._app = app
        self._doors = doors
        self._problems = problems
        self._refusals = refusals
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        words = _words(scope)
        visit = _visit(scope, words)
        if refusal := check_place(self._doors, visit):
            await self._refuse(refusal, scope, send)
            return
        if visit.origin and not is_same_origin(visit.origin, visit.host):
            if visit.method == "OPTIONS" and "preflight" in words:
                await _answer(_preflight(visit.origin), scope, send)
                return
            send = _with_cors(send, visit.origin)
        if not self._is_open(visit) and (refusal := check_key(self._doors, visit, self._clock.time())):
            if reply := await self._sign_in(visit, words, scope, receive):
                await _answer(reply, scope, send)
            else:
                await self._refuse(refusal, scope, send)
            return
        await self._app(scope, receive, send)

    def _is_open(self, visit: Visit) -> bool:
        if visit.websocket or visit.method not in {"GET", "HEAD"} or self._doors.listener != "native":
            return False
        return visit.path in _HEALTH or visit.path.startswith(_STATIC)

    async def _sign_in(self, visit: Visit, words: Mapping[str, str], scope: Scope, receive: Receive) -> Reply | None:
        """What a browser gets in the place of a bare 401."""
        if self._doors.listener != "native" or visit.websocket:
            return None
        if visit.method == "POST" and visit.path == LOGIN_PATH:
            form = parse_qs((await _read_form(receive)).decode("utf-8", "replace"))
            return self._try_key(form.get("key", [""])[0], form.get("next", ["/"])[0])
        if visit.method not in {"GET", "HEAD"} or "text/html" not in words.get("accept", ""):
            return None
        query = parse_qs(scope["query_string"].decode("latin1"), keep_blank_values=True)
        keys = query.pop("key", None)
        onward = quote(visit.path) + ("?" + urlencode(query, doseq=True) if query else "")
        return login_page(onward) if keys is None else self._try_key(keys[0], onward)

    def _try_key(self, key: str, onward: str) -> Reply:
        key = key.strip()
        if key_is_known(self._doors.keys, key):
            return signed_in(key, onward, self._clock.time(), self._doors.session_seconds)
        return login_page(onward, "This key is not known.")

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        path: str = scope["path"]
        self._refusals.report(refusal, path, _request_id(scope))
        code = {"host": "host_not_allowed", "origin": "origin_not_allowed", "key": "invalid_api_key"}[refusal.reason]
        page = self._problems(Problem(refusal.status, refusal.message, code, path))
        headers = [(b"content-type", page.content_type.encode()), (SHOULD_RETRY.lower().encode(), b"false")]
        if refusal.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await _answer(Reply(refusal.status, tuple(headers), page.body), scope, send)


def _words(scope: Scope) -> dict[str, str]:
    """The headers that matter here; of one that comes twice, the last."""
    return {_READ[name]: value.decode("latin1") for name, value in scope["headers"] if name in _READ}


def _visit(scope: Scope, words: Mapping[str, str]) -> Visit:
    websocket = scope["type"] == "websocket"
    server = scope.get("server")
    return Visit(
        method="GET" if websocket else scope["method"],
        path=scope["path"],
        host=words.get("host", ""),
        origin=words.get("origin", ""),
        authorization=words.get("authorization", ""),
        api_key=words.get("api_key", ""),
        cookie=words.get("cookie", ""),
        server_address=server[0] if server else "",
        websocket=websocket,
    )


async def _read_form(receive: Receive) -> bytes:
    form = b""
    more = True
    while more and len(form) < _LOGIN_FORM_BYTES:
        message = await receive()
        form += message.get("body", b"")
        more = message.get("more_body", False)
    return form[:_LOGIN_FORM_BYTES]


async def _answer(reply: Reply, scope: Scope, send: Send) -> None:
    prefix = "websocket.http" if scope["type"] == "websocket" else "http"
    headers = list(reply.headers)
    if request_id := _request_id(scope):
        headers.append((REQUEST_ID.lower().encode(), request_id.encode()))
    if reply.status != 204:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": f"{prefix}.response.start", "status": reply.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": reply.body})


def _request_id(scope: Scope) -> str:
    return scope.get("state", {}).get("request_id", "")


def _preflight(origin: str) -> Reply:
    """The answer to a browser that asks first (https://fetch.spec.whatwg.org/#cors-preflight-fetch)."""
    return Reply(
        204,
        (
            *_cors(origin),
            (b"access-control-allow-methods", _CORS_METHODS),
            (b"access-control-allow-headers", _CORS_HEADERS),
            (b"access-control-max-age", _CORS_MAX_AGE),
        ),
    )


def _cors(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"access-control-allow-origin", origin.encode("latin1")), (b"vary", b"Origin"))


def _with_cors(send: Send, origin: str) -> Send:
    async def send_with_cors(message: ASGIMessage) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_cors(origin)]}
        await send(message)

    return send_with_cors
