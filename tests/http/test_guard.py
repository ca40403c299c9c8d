"""The door, in front of a served application: what gets through, what is refused and how that is told."""

from __future__ import annotations

import re

import msgspec
import pytest
import structlog
from trio.testing import MockClock

from thane.config.settings import Auth, Limits, Settings
from thane.http.admission import make_session
from thane.http.guard import guarded
from thane.http.listeners import Name
from thane.http.site import ASGIApp, Receive, Scope, Send
from thane.testing.clock import TrioClock
from thane.testing.events import RecordedEvents
from thane.testing.serving import Answer, Served, serving

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
NOW = 1_795_000_000.0
OPEN = Auth()
KEY = "Authorization: Bearer sesame"
"""The key that `locked` asks for."""


async def inside(scope: Scope, receive: Receive, send: Send, /) -> None:
    """What the door protects."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"6")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"inside"})


def door(listener: Name, auth: Auth = OPEN, events: RecordedEvents | None = None, per_minute: int = 60) -> ASGIApp:
    settings = Settings(auth=auth, limits=Limits(refused_events_per_minute=per_minute))
    clock = TrioClock(NOW)
    return guarded(inside, settings, events or RecordedEvents(), listener=listener, clock=clock, hostname="pantry")


def locked(listener: Name) -> ASGIApp:
    return door(listener, Auth(keys=("sesame",), allowed_origins=("https://ha.example.org",)))


async def get(served: Served, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
    """A request that chooses its own Host."""
    async with await served.connect() as client:
        lines = [f"{method} {path} HTTP/1.1", *headers]
        if not any(line.startswith("Host:") for line in headers):
            lines.append("Host: localhost")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await client.send("\r\n".join([*lines, "", ""]).encode() + body)
        return await client.answer(method)


async def test_requests_of_this_machine_pass(autojump_clock: MockClock) -> None:
    for listener in ("native", "ollama"):
        async with serving(door(listener)) as served:
            assert b"inside" == (await get(served, "/v1/models")).body
            assert 200 == (await get(served, "/", f"Host: localhost:{served.port}")).status
            own = f"http://localhost:{served.port}"
            assert 200 == (await get(served, "/", f"Host: localhost:{served.port}", f"Origin: {own}")).status
            assert 101 == (await get_websocket(served)).status


async def get_websocket(served: Served, *headers: str) -> Answer:
    async with await served.connect() as client:
        lines = ["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, *headers]
        await client.send("\r\n".join([*lines, "", ""]).encode())
        head = await client.read_until(b"\r\n\r\n")
        return Answer(int(head.split()[1]), {}, head)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_a_strange_host_is_refused_whatever_it_asks(autojump_clock: MockClock, method: str) -> None:
    with structlog.testing.capture_logs():
        async with serving(door("native")) as served:
            assert 403 == (await get(served, "/health", "Host: evil.example", method=method)).status
            assert 403 == (await get(served, "http://evil.example/health", method=method)).status


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_a_strange_origin_is_refused_on_requests_and_websockets(
    autojump_clock: MockClock, listener: Name
) -> None:
    with structlog.testing.capture_logs():
        async with serving(door(listener)) as served:
            for origin in ("http://evil.example", "null", "http://localhost.evil.example"):
                refused = await get(served, "/api/tags", f"Origin: {origin}")
                assert 403 == refused.status
                assert "access-control-allow-origin" not in refused.headers
                assert 403 == (await get_websocket(served, f"Origin: {origin}")).status


async def test_a_refusal_has_the_listeners_own_shape(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs():
        async with serving(door("native")) as native, serving(door("ollama")) as ollama:
            first = msgspec.json.decode((await get(native, "/", "Host: evil.example")).body)
            second = msgspec.json.decode((await get(ollama, "/", "Host: evil.example")).body)
    assert ("permission_error", "host_not_allowed") == (first["error"]["type"], first["error"]["code"])
    assert second["error"].startswith("evil.example is no name of this machine")


async def test_pages_of_this_machine_may_use_the_ollama_port(autojump_clock: MockClock) -> None:
    origin = "Origin: http://localhost:3000"
    with structlog.testing.capture_logs():
        async with serving(door("ollama")) as ollama, serving(door("native")) as native:
            answer = await get(ollama, "/api/tags", origin)
            assert (200, "http://localhost:3000", "Origin") == (
                answer.status,
                answer.headers["access-control-allow-origin"],
                answer.headers["vary"],
            )
            asked = await get(ollama, "/api/chat", origin, "Access-Control-Request-Method: POST", method="OPTIONS")
            assert (204, b"") == (asked.status, asked.body)
            assert "POST" in asked.headers["access-control-allow-methods"]
            assert "Authorization" in asked.headers["access-control-allow-headers"]
            assert "X-Stainless-Lang" in asked.headers["access-control-allow-headers"]
            assert "X-Api-Key" in asked.headers["access-control-allow-headers"]
            assert "http://localhost:3000" == asked.headers["access-control-allow-origin"]
            assert 403 == (await get(native, "/v1/models", origin)).status


async def test_an_answer_to_oneself_needs_no_cors_headers(autojump_clock: MockClock) -> None:
    async with serving(door("ollama")) as served:
        answer = await get(served, "/", "Host: localhost:1", "Origin: http://localhost:1")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("listener", ["native", "ollama"])
async def test_with_keys_everything_needs_one_but_health_and_static_files(
    autojump_clock: MockClock, listener: Name
) -> None:
    with structlog.testing.capture_logs():
        async with serving(locked(listener)) as served:
            for path in ("/", "/api/version", "/api/chat", "/v1/models", "/healthy", "/static", "/health/"):
                refused = await get(served, path)
                assert (401, "Bearer") == (refused.status, refused.headers["www-authenticate"])
                assert 200 == (await get(served, path, KEY)).status
            assert 401 == (await get(served, "/", "Authorization: Bearer wrong")).status
            assert 200 == (await get(served, "/v1/messages", f"X-Api-Key: {KEY.rpartition(' ')[2]}")).status
            assert 401 == (await get(served, "/v1/messages", "X-Api-Key: wrong")).status
            assert 401 == (await get(served, "/health", method="POST", body=b"x")).status
            for path in ("/health", "/health/live", "/health/ready", "/static/thane.css"):
                assert (200 if listener == "native" else 401) == (await get(served, path)).status
            assert 401 == (await get_websocket(served)).status
            assert 101 == (await get_websocket(served, KEY)).status


async def test_a_refusal_has_the_id_that_the_log_has_and_is_not_tried_again(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logged:
        async with serving(locked("native")) as served:
            refused = await get(served, "/v1/models")
            (record,) = served.records
    assert record.request_id == refused.headers["x-request-id"] == logged[0]["request_id"]
    assert "false" == refused.headers["x-should-retry"]


async def test_a_preflight_needs_no_key_and_a_401_can_be_read_by_the_page(autojump_clock: MockClock) -> None:
    origin = "Origin: https://ha.example.org"
    with structlog.testing.capture_logs():
        async with serving(locked("native")) as served:
            asked = await get(served, "/v1/chat", origin, "Access-Control-Request-Method: POST", method="OPTIONS")
            assert (204, served.records[-1].request_id) == (asked.status, asked.headers["x-request-id"])
            refused = await get(served, "/v1/chat", origin)
            assert (401, "https://ha.example.org") == (
                refused.status,
                refused.headers["access-control-allow-origin"],
            )


HTML = "Accept: text/html,application/xhtml+xml;q=0.9"


async def test_a_browser_is_asked_for_a_key_and_gets_a_session(autojump_clock: MockClock) -> None:
    async with serving(locked("native")) as served:
        page = await get(served, "/conversations?page=2", HTML)
        assert (401, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert b'name="next" type="hidden" value="/conversations?page=2"' in page.body
        wrong = await get(served, "/login", "Origin: http://localhost", method="POST", body=b"key=wrong&next=%2Fx")
        assert 401 == wrong.status
        assert b"This key is not known." in wrong.body
        right = await get(served, "/login", "Origin: http://localhost", method="POST", body=b"key=sesame&next=%2Fx%3Fa")
        assert (303, "/x?a") == (right.status, right.headers["location"])
        cookie = right.headers["set-cookie"]
        assert re.fullmatch(
            r"thane_session=\d+\.[0-9a-f]{64}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict", cookie
        )
        session = f"Cookie: {cookie.partition(';')[0]}"
        assert b"inside" == (await get(served, "/", session)).body
        assert b"inside" == (await get(served, "/", session, "Origin: http://localhost", method="POST")).body
        assert 101 == (await get_websocket(served, session, "Origin: http://localhost")).status


async def test_a_session_without_the_right_origin_acts_on_nothing(autojump_clock: MockClock) -> None:
    session = f"Cookie: thane_session={make_session('sesame', NOW)}"
    with structlog.testing.capture_logs():
        async with serving(locked("native")) as served:
            assert 403 == (await get(served, "/", session, method="POST")).status
            assert 403 == (await get(served, "/", session, "Origin: http://evil.example", method="POST")).status
            assert 403 == (await get_websocket(served, session)).status


async def test_a_key_in_the_address_becomes_a_session_and_disappears(autojump_clock: MockClock) -> None:
    async with serving(locked("native")) as served:
        answer = await get(served, "/events?source=loop&key=sesame", HTML)
        assert (303, "/events?source=loop") == (answer.status, answer.headers["location"])
        assert "thane_session=" in answer.headers["set-cookie"]
        assert "sesame" not in repr(answer)
        assert 401 == (await get(served, "/events?key=wrong", HTML)).status


async def test_only_browsers_at_the_native_port_are_shown_the_page(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs():
        async with serving(locked("native")) as native, serving(locked("ollama")) as ollama:
            for answer in (
                await get(native, "/?key=sesame"),
                await get(ollama, "/?key=sesame", HTML),
                await get(ollama, "/login", method="POST", body=b"key=sesame"),
                await get(native, "/", HTML, method="POST", body=b"x"),
            ):
                assert (401, "application/json; charset=utf-8") == (answer.status, answer.headers["content-type"])


async def test_a_long_login_form_is_not_read_to_its_end(autojump_clock: MockClock) -> None:
    async with serving(locked("native")) as served:
        answer = await get(served, "/login", "Content-Length: 100000", method="POST")
        assert 408 == answer.status
        async with await served.connect() as client:
            await client.send(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
            await client.send(b"next=" + b"x" * 10_000)
            assert 401 == (await client.answer()).status


async def test_refusals_are_published_but_not_in_a_flood(autojump_clock: MockClock) -> None:
    events = RecordedEvents()
    with structlog.testing.capture_logs() as logs:
        async with serving(door("native", events=events, per_minute=3)) as served:
            for _ in range(10):
                await get(served, "/secret" + "x" * 500, "Host: evil.example")
            assert 3 == len(events.seen)
            autojump_clock.jump(40)
            for _ in range(10):
                await get(served, "/", "Host: evil.example")
    assert 5 == len(events.seen) == len(logs)
    source, kind, told = events.seen[0]
    assert ("system", "request_refused") == (source, kind)
    assert {"listener": "native", "reason": "host", "status": 403, "path": "/secret" + "x" * 193} == told
    assert 7 == logs[-1]["suppressed"]
