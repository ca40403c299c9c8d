from __future__ import annotations

import pytest

from thane.config.settings import Auth, Listen, Settings
from thane.http.admission import (
    Doors,
    Visit,
    check_key,
    check_place,
    doors_of,
    host_is_ours,
    host_name,
    is_same_origin,
    make_session,
    origin_is_allowed,
    session_is_valid,
)
from thane.http.listeners import Name

NOW = 1_795_000_000.0
AUTH = Auth(allowed_hosts=("Thane.example.org",), allowed_origins=("https://Ha.example.org/",))


def doors(listener: Name = "native", auth: Auth = AUTH, address: str = "127.0.0.1") -> Doors:
    return doors_of(Settings(auth=auth, listen=Listen(address=address)), listener, "Pantry")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LOCALHOST", "localhost.", "app.localhost:1", "127.0.0.1:8080", "127.3.2.1"),
        *("[::1]:8080", "[::1]", "10.1.2.3", "192.168.1.5:80", "172.17.0.1", "[fd00::1]:80", "[::ffff:192.168.1.5]"),
        *("pantry:8080", "PANTRY.local", "thane.example.org:443", "203.0.113.7:8080", "169.254.1.1"),
    ],
)
def test_a_host_that_is_this_machine_is_let_in(host: str) -> None:
    assert host_is_ours(doors(), host, "203.0.113.7")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "x", "thane.example.org.evil.example"),
        *("8.8.8.8", "[2001:db9::1]", "127.0.0.1.evil.example", "", ":8080", "[", "evil.local", "pantry.lan"),
    ],
)
def test_a_strange_host_is_not(host: str) -> None:
    assert not host_is_ours(doors(), host, "203.0.113.7")


@pytest.mark.parametrize("host", ["nas.local", "host.docker.internal:11434"])
def test_names_that_no_stranger_can_have_reach_the_ollama_port(host: str) -> None:
    assert host_is_ours(doors("ollama"), host, "")
    assert not host_is_ours(doors("native"), host, "")


def test_a_machine_may_know_its_domain() -> None:
    known = doors_of(Settings(), "native", "pantry.example.org")
    assert host_is_ours(known, "pantry.example.org", "")
    assert host_is_ours(known, "pantry.local", "")


def test_a_bound_name_is_let_in() -> None:
    assert host_is_ours(doors(address="thane.lan"), "thane.lan:8080", "")


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("a:1", "a"),
        ("A.b.", "a.b"),
        ("[::1]:80", "::1"),
        ("::1", "::1"),
        (" a ", "a"),
        ("", ""),
        ("a:b:c", "a:b:c"),
    ],
)
def test_a_name_is_taken_out_of_an_authority(authority: str, name: str) -> None:
    assert name == host_name(authority)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("http://LOCALHOST:8080", "localhost:8080", True),
        ("https://thane.example.org", "thane.example.org", True),
        ("https://thane.example.org", "thane.example.org:443", True),
        ("http://thane.example.org:80", "thane.example.org", True),
        ("http://localhost:3000", "localhost:8080", False),
        ("http://localhost", "localhost:8080", False),
        ("http://evil.example", "localhost:8080", False),
        ("null", "null", False),
        ("http://", "", False),
        ("", "", False),
    ],
)
def test_same_origin_is_same_name_and_port(origin: str, host: str, same: bool) -> None:
    assert same == is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "native", "ollama"),
    [
        ("http://localhost:8080", True, True),
        ("https://ha.example.org", True, True),
        ("http://localhost:3000", False, True),
        ("https://localhost", False, True),
        ("http://127.0.0.1:5173", False, True),
        ("http://0.0.0.0:1", False, True),
        ("http://[::1]:1", False, True),
        ("http://app.localhost:3000", False, True),
        ("app://obsidian.md", False, True),
        ("file://", False, True),
        ("tauri://localhost", False, True),
        ("vscode-webview://1a2b", False, True),
        ("chrome-extension://abcdef", False, True),
        ("moz-extension://abcdef", False, True),
        ("http://evil.example", False, False),
        ("http://localhost.evil.example", False, False),
        ("http://localhost@evil.example", False, False),
        ("http://evil.example#localhost", False, False),
        ("http://ha.example.org", False, False),
        ("https://ha.example.org.evil.example", False, False),
        ("ftp://localhost", False, False),
        ("null", False, False),
        ("http://[", False, False),
        ("http://localhost:x", False, False),
        ("localhost", False, False),
    ],
)
def test_origins_are_let_in_by_list(origin: str, native: bool, ollama: bool) -> None:
    assert native == origin_is_allowed(doors("native"), origin, "localhost:8080")
    assert ollama == origin_is_allowed(doors("ollama"), origin, "localhost:8080")


def test_a_request_without_host_and_origin_is_no_browsers() -> None:
    assert check_place(doors(), Visit("POST", "/")) is None


def test_a_refusal_says_what_would_allow_it() -> None:
    host = check_place(doors(), Visit("GET", "/", host="evil.example:8080"))
    origin = check_place(doors(), Visit("GET", "/", host="localhost", origin="http://evil.example"))
    assert host
    assert origin
    assert (403, "host") == (host.status, host.reason)
    assert "evil.example is no name of this machine; add it to auth.allowed_hosts" in host.message
    assert (403, "origin") == (origin.status, origin.reason)
    assert "auth.allowed_origins" in origin.message


LOCKED = doors(auth=Auth(keys=("first", "sécond")))


@pytest.mark.parametrize("header", ["Bearer first", "bearer sécond", "BEARER  first "])
def test_a_key_opens(header: str) -> None:
    assert check_key(LOCKED, Visit("POST", "/", authorization=header), NOW) is None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer third", "Basic first", "first", "Bearer firs", "Bearer \udcff"]
)
def test_everything_else_does_not(header: str) -> None:
    refusal = check_key(LOCKED, Visit("GET", "/", authorization=header), NOW)
    assert refusal
    assert 401 == refusal.status


def test_a_key_may_come_in_anthropics_header() -> None:
    assert check_key(LOCKED, Visit("POST", "/", api_key="first"), NOW) is None
    assert check_key(LOCKED, Visit("POST", "/", authorization="Bearer wrong", api_key=" sécond "), NOW) is None
    for wrong in ("third", "firs", "Bearer first", " "):
        refusal = check_key(LOCKED, Visit("POST", "/", api_key=wrong), NOW)
        assert refusal
        assert (401, True) == (refusal.status, refusal.message.startswith("the key is not known"))


def test_without_keys_none_is_asked_for() -> None:
    assert check_key(doors(), Visit("POST", "/", authorization="Bearer whatever"), NOW) is None


def test_a_session_stands_for_a_key_on_the_native_port_only() -> None:
    cookie = f"other=1; thane_session={make_session('first', NOW)}; more=2"
    assert check_key(LOCKED, Visit("GET", "/", cookie=cookie), NOW + 1) is None
    assert check_key(doors("ollama", Auth(keys=("first",))), Visit("GET", "/", cookie=cookie), NOW + 1)


@pytest.mark.parametrize(("method", "websocket"), [("POST", False), ("DELETE", False), ("GET", True)])
def test_a_session_acts_only_with_an_origin(method: str, websocket: bool) -> None:
    cookie = f"thane_session={make_session('first', NOW)}"
    without = check_key(LOCKED, Visit(method, "/", cookie=cookie, websocket=websocket), NOW)
    assert without
    assert (403, "origin") == (without.status, without.reason)
    visit = Visit(method, "/", host="localhost", origin="http://localhost", cookie=cookie, websocket=websocket)
    assert check_key(LOCKED, visit, NOW) is None


def test_a_session_ends_with_its_time_and_with_its_key() -> None:
    session = make_session("first", NOW)
    assert "first" not in session
    assert session_is_valid(LOCKED, session, NOW + 29 * 86_400)
    assert not session_is_valid(LOCKED, session, NOW + 31 * 86_400)
    assert not session_is_valid(LOCKED, session, NOW - 60)
    assert not session_is_valid(doors(auth=Auth(keys=("sécond",))), session, NOW)


@pytest.mark.parametrize(
    "session", ["", ".", "1.", ".a", "x.y", "1795000000.", "²²²." + "a" * 64, "9" * 5000 + ".a", "1795000000.é"]
)
def test_a_forged_session_is_worth_nothing(session: str) -> None:
    assert not session_is_valid(LOCKED, session, NOW)
    code = make_session("first", NOW).partition(".")[2]
    assert not session_is_valid(LOCKED, f"{int(NOW) + 60}.{code}", NOW + 60)
