from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
import trio
from trio.testing import MockClock

from thane.config.settings import Auth, Listen, OllamaApi, Settings
from thane.errors import ConfigurationError
from thane.http import listeners
from thane.http.listeners import (
    Neighbour,
    PortTakenError,
    bind,
    bind_native,
    bind_ollama,
    check_exposure,
    identify,
    is_loopback,
)
from thane.http.site import Receive, Scope, Send
from thane.testing.serving import serving


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on, and that never answers."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def free_port() -> int:
    with closing(bind_native(Listen(port=0))) as listener:
        return int(listener.sockets[0].getsockname()[1])


@pytest.mark.parametrize("address", ["", "localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_addresses_of_this_machine_only(address: str) -> None:
    assert is_loopback(address)
    check_exposure(Settings(listen=Listen(address=address), ollama_api=OllamaApi(address=address)))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "thane.lan"])
def test_an_open_listener_without_a_key_is_refused_with_what_to_write(address: str) -> None:
    assert not is_loopback(address)
    for settings, key in (
        (Settings(listen=Listen(address=address)), "listen.address"),
        (Settings(ollama_api=OllamaApi(address=address)), "ollama_api.address"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            check_exposure(settings)
        message = str(caught.value)
        assert message.startswith(f"{key} is {address}, which other machines can reach")
        assert "auth:\n    keys: [${THANE_KEY}]\n" in message
        assert "auth:\n    allow_unauthenticated: true" in message


def test_a_key_or_the_owners_word_opens_it() -> None:
    for auth in (Auth(keys=("k",)), Auth(allow_unauthenticated=True)):
        check_exposure(Settings(listen=Listen(address="0.0.0.0"), auth=auth))


def test_a_listener_that_is_off_needs_no_key() -> None:
    check_exposure(Settings(ollama_api=OllamaApi(address="0.0.0.0", enabled=False)))


def test_no_address_means_loopback() -> None:
    with closing(bind_native(Listen(address="", port=0))) as listener:
        host, port = listener.sockets[0].getsockname()
        assert ("127.0.0.1", f"http://127.0.0.1:{port}", "native", "") == (
            host,
            listener.url,
            listener.name,
            listener.note,
        )


def test_localhost_is_both_families_with_one_port() -> None:
    with closing(bind_native(Listen(address="localhost", port=0))) as listener:
        ports = {each.getsockname()[1] for each in listener.sockets}
        assert 1 == len(ports)
        assert f"http://localhost:{ports.pop()}" == listener.url
        assert "127.0.0.1" == listener.sockets[0].getsockname()[0]


def test_localhost_does_without_ipv6_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    really = listeners.bind_one

    def without_ipv6(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return really(family, host, port)

    monkeypatch.setattr(listeners, "bind_one", without_ipv6)
    with closing(bind_native(Listen(address="localhost", port=0))) as listener:
        assert 1 == len(listener.sockets)


def test_every_address_is_named_by_the_machines_name() -> None:
    with closing(bind_native(Listen(address="0.0.0.0", port=0))) as listener:
        assert listener.url.startswith(f"http://{socket.gethostname()}:")


def test_a_taken_native_port_is_said_plainly(taken: int) -> None:
    with pytest.raises(
        ConfigurationError, match=f"port {taken} on 127.0.0.1 is taken by another program; .*listen.port"
    ):
        bind_native(Listen(port=taken))


def test_nothing_stays_bound_when_one_of_two_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    really = listeners.bind_one
    bound: list[socket.socket] = []

    def only_ipv4(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        bound.append(really(family, host, port))
        return bound[0]

    monkeypatch.setattr(listeners, "bind_one", only_ipv4)
    with pytest.raises(PortTakenError):
        bind("localhost", 0)
    assert [-1] == [each.fileno() for each in bound]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("203.0.113.7", "this machine has no address 203.0.113.7"),
        ("no-such-name.invalid", "no address of this machine"),
    ],
)
def test_an_address_of_another_machine_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        bind(address, 0)


def test_a_port_that_is_not_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(listeners, "bind_one", refuse)
    with pytest.raises(ConfigurationError, match="not allowed to this user; set a port above 1023"):
        bind("", 80)


async def ollama_like(scope: Scope, receive: Receive, send: Send, /) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"Ollama is running"})


async def other_program(answer: bytes, *, task_status: trio.TaskStatus[int]) -> None:
    """Something on a free port that answers every request with the same bytes."""

    async def answer_all(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(answer)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listener.socket.getsockname()[1])
    await trio.serve_listeners(answer_all, [listener])


OLLAMA = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nOllama is running"
WEB = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("answer", "who"),
    [(OLLAMA, "ollama"), (WEB, "unknown"), (b"SSH-2.0-OpenSSH_9.2\r\n", "unknown"), (b"", "unknown")],
)
async def test_whoever_listens_is_asked_who_they_are(answer: bytes, who: str, nursery: trio.Nursery) -> None:
    port = await nursery.start(other_program, answer)
    assert who == await identify("", port)


async def test_another_thane_is_known_by_its_server_header() -> None:
    async with serving(ollama_like) as served:
        assert "thane" == await identify("127.0.0.1", served.port)


async def test_a_program_that_does_not_answer_is_asked_for_a_second_only(taken: int, autojump_clock: MockClock) -> None:
    started = trio.current_time()
    assert "unknown" == await identify("", taken)
    assert 1 == trio.current_time() - started


async def test_where_an_ollama_listens_its_use_is_explained_and_the_next_port_taken(nursery: trio.Nursery) -> None:
    port = await nursery.start(other_program, OLLAMA)
    with closing(await bind_ollama(OllamaApi(port=port))) as listener:
        assert listener.sockets[0].getsockname()[1] > port
        assert f"models.ollama_url: http://localhost:{port} and models.default" in listener.note
        assert listener.note.endswith(f"Thane's Ollama API is at {listener.url} instead.")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", "localhost"),
        ("", "127.0.0.1"),
        ("", "0.0.0.0"),
        ("localhost", "[::1]"),
        ("0.0.0.0", "127.0.0.1"),
    ],
)
async def test_a_port_where_the_model_server_is_expected_is_left_to_it_while_it_does_not_run(
    address: str, host: str
) -> None:
    port = free_port()
    url = f"http://{host}:{port}"
    with closing(await bind_ollama(OllamaApi(address=address, port=port), {url})) as listener:
        assert listener.sockets[0].getsockname()[1] > port
        assert listener.note.startswith(f"Port {port} is left to the model server of the configuration ({url}).")


@pytest.mark.parametrize("url", ["http://192.0.2.7:{port}", "http://localhost:1", "http://nowhere.invalid:{port}"])
async def test_a_model_server_elsewhere_keeps_no_port(url: str) -> None:
    port = free_port()
    with closing(await bind_ollama(OllamaApi(port=port), {url.format(port=port)})) as listener:
        assert (port, "") == (listener.sockets[0].getsockname()[1], listener.note)


async def test_a_free_ollama_port_is_taken_without_a_word() -> None:
    with closing(await bind_ollama(OllamaApi(port=0))) as listener:
        assert ("", "ollama") == (listener.note, listener.name)


async def test_there_are_only_so_many_next_ports(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    def taken(address: str, port: int) -> None:
        raise PortTakenError

    async def unknown(address: str, port: int) -> str:
        return "unknown"

    monkeypatch.setattr(listeners, "bind", taken)
    monkeypatch.setattr(listeners, "identify", unknown)
    with pytest.raises(ConfigurationError, match="ports 11434 to 11453 are all taken"):
        await bind_ollama(OllamaApi())


async def test_the_note_is_about_the_port_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours: dict[int, Neighbour] = {11434: "ollama", 11435: "unknown"}
    really = bind

    def taken(address: str, port: int) -> tuple[socket.socket, ...]:
        if port in neighbours:
            raise PortTakenError
        return really(address, 0)

    async def known(address: str, port: int) -> Neighbour:
        return neighbours[port]

    monkeypatch.setattr(listeners, "bind", taken)
    monkeypatch.setattr(listeners, "identify", known)
    with closing(await bind_ollama(OllamaApi())) as listener:
        assert listener.note.startswith("An Ollama server already listens on port 11434.")
