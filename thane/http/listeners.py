"""Which addresses Thane listens on: whether that is safe, binding them, and who is there already if they are taken.

Not here: serving (`thane.http.server`) and checking each request (`thane.http.guard`).
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import h11
import trio

from thane.config.settings import Listen, OllamaApi, Settings
from thane.errors import ConfigurationError

type Name = Literal["native", "ollama"]
type Neighbour = Literal["ollama", "thane", "unknown"]

_NEXT_PORTS = 20
_PROBE_SECONDS = 1.0
_PROBE_BYTES = 65_536
_ANY = {"0.0.0.0", "::"}  # noqa: S104 compared, not bound


@dataclass(frozen=True)
class Listener:
    """Bound sockets. `note` is a sentence for the owner where another port than the configured one is used."""

    name: Name
    sockets: tuple[socket.socket, ...]
    url: str
    note: str = ""

    def close(self) -> None:
        for each in self.sockets:
            each.close()


class PortTakenError(Exception):
    """Another program listens there."""


def is_loopback(address: str) -> bool:
    """Whether an address of the configuration can be reached from this machine only; no name but `localhost` can."""
    if address in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Raise ConfigurationError when a listener can be reached from elsewhere and nothing guards it."""
    if settings.auth.keys or settings.auth.allow_unauthenticated:
        return
    listening = {"listen.address": settings.listen.address}
    if settings.ollama_api.enabled and not settings.ollama_api.is_on_native_port:
        listening["ollama_api.address"] = settings.ollama_api.address
    for key, address in listening.items():
        if not is_loopback(address):
            raise ConfigurationError(
                f"{key} is {address}, which other machines can reach, but no key is set. Set one with\n"
                "  auth:\n    keys: [${THANE_KEY}]\n"
                "and put it into THANE_KEY (for example from: openssl rand -hex 24), or, if everyone who can reach\n"
                "the port may command the house, say so with\n"
                "  auth:\n    allow_unauthenticated: true"
            )


def bind_native(listen: Listen) -> Listener:
    """Bind the native listener; ConfigurationError when the port is taken."""
    try:
        sockets = bind(listen.address, listen.port)
    except PortTakenError:
        where = listen.address or "127.0.0.1"
        raise ConfigurationError(
            f"port {listen.port} on {where} is taken by another program; "
            "stop that program or set listen.port to another port (0 takes any free one)"
        ) from None
    return Listener("native", sockets, _url(listen.address, sockets))


async def bind_ollama(ollama: OllamaApi, model_servers: Collection[str] = ()) -> Listener:
    """Bind the Ollama listener, on the next free port where the configured one is another program's.

    The ports of `model_servers` (URLs) are left to them, also while they do not run: in their place Thane would ask
    itself, and each question would become another turn.
    """
    note = ""
    for port in range(ollama.port, min(ollama.port + _NEXT_PORTS, 65_536)):
        if server := await expected_there(model_servers, ollama.address, port):
            note = note or f"Port {port} is left to the model server of the configuration ({server})."
            continue
        try:
            sockets = bind(ollama.address, port)
        except PortTakenError:
            if port == ollama.port:
                note = _explain(await identify(ollama.address, port), ollama)
            continue
        url = _url(ollama.address, sockets)
        return Listener("ollama", sockets, url, note and f"{note} Thane's Ollama API is at {url} instead.")
    raise ConfigurationError(
        f"ports {ollama.port} to {ollama.port + _NEXT_PORTS - 1} are all taken; set ollama_api.port to a free one"
    )


def _explain(neighbour: Neighbour, ollama: OllamaApi) -> str:
    match neighbour:
        case "ollama":
            return (
                f"An Ollama server already listens on port {ollama.port}. To let Thane think with it, set "
                f"models.ollama_url: http://localhost:{ollama.port} and models.default to one of its models."
            )
        case "thane":
            return f"Another Thane already listens on port {ollama.port}."
        case "unknown":
            return f"Another program already listens on port {ollama.port}."


async def expected_there(model_servers: Collection[str], address: str, port: int) -> str:
    """The model server that would be sought behind a listener of ours on this address and port; "" for none."""
    ours = {host for _, host in _resolve(address)}
    for url in model_servers:
        parts = urlsplit(url)
        if not parts.hostname or port != (parts.port or (443 if parts.scheme == "https" else 80)):
            continue
        found: list[tuple[socket.AddressFamily, str]] = []
        with trio.move_on_after(_PROBE_SECONDS), suppress(OSError):
            answer = await trio.socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
            found = [(family, str(where[0])) for family, _, _, _, where in answer]
        theirs = {host for _, host in found}
        if theirs & _ANY:  # asking every address is asking this machine
            theirs |= {"127.0.0.1", "::1"}
        if ours & theirs or (ours & _ANY and any(_is_own(*each) for each in found)):
            return url
    return ""


def _is_own(family: socket.AddressFamily, host: str) -> bool:
    try:
        bind_one(family, host, 0).close()
    except OSError:
        return False
    return True


def bind(address: str, port: int) -> tuple[socket.socket, ...]:
    """Sockets bound to an address of the configuration; port 0 takes a free one, the same for all of them.

    "" is 127.0.0.1; `localhost` is 127.0.0.1 and, where the machine has it, ::1; `::` is every address, IPv4 too.
    """
    sockets: list[socket.socket] = []
    try:
        for number, (family, host) in enumerate(_resolve(address)):
            try:
                sockets.append(bind_one(family, host, port))
            except OSError as error:
                if number and error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    continue  # no IPv6 on this machine
                raise
            port = port or sockets[0].getsockname()[1]
    except OSError as error:
        for each in sockets:
            each.close()
        raise _explain_refusal(error, address, port) from None
    return tuple(sockets)


def _explain_refusal(error: OSError, address: str, port: int) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"port {port} on {address} is taken")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"listening on port {port} is not allowed to this user; set a port above 1023")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(f"this machine has no address {address} to listen on")
    return ConfigurationError(f"cannot listen on {address} port {port}: {error.strerror}")


def _resolve(address: str) -> list[tuple[socket.AddressFamily, str]]:
    if not address:
        return [(socket.AF_INET, "127.0.0.1")]
    if address == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"{address} is no address of this machine: {error.strerror}") from None
    return list(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))


def bind_one(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """One socket, listening already so that nobody else can: two programs may bind one address, only one may listen."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def _url(address: str, sockets: tuple[socket.socket, ...]) -> str:
    host, port = sockets[0].getsockname()[:2]
    if address == "localhost":
        host = address
    elif host in _ANY:
        host = socket.gethostname()
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


async def identify(address: str, port: int) -> Neighbour:
    """Who answers there, asked by `GET /` as Ollama's own clients do. Takes at most a second."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 compared, not bound
    with trio.move_on_after(_PROBE_SECONDS):
        try:
            return await _ask(host, port)
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
            pass
    return "unknown"


async def _ask(host: str, port: int) -> Neighbour:
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_PROBE_BYTES)
    body = b""
    async with await trio.open_tcp_stream(host, port) as stream:
        head = h11.Request(method="GET", target="/", headers=[("host", f"localhost:{port}"), ("connection", "close")])
        await stream.send_all((client.send(head) or b"") + (client.send(h11.EndOfMessage()) or b""))
        while len(body) < _PROBE_BYTES:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(await stream.receive_some(_PROBE_BYTES))
            elif isinstance(event, h11.Response):
                if (b"server", b"thane") in event.headers:
                    return "thane"
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
    return "ollama" if b"Ollama is running" in body else "unknown"
