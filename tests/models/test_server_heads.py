"""The heads of requests to a model server: made once, and what is configured is in them."""

from __future__ import annotations

import random

import trio
from trio.testing import memory_stream_pair

from thane.config.providers import ModelProvider
from thane.config.settings import Models
from thane.models.server import Server, open_server

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """Keeps what comes in, and says ok to it."""

    def __init__(self) -> None:
        self.heads: list[list[bytes]] = []
        self.bodies: list[bytes] = []

    async def connect(self, _host: str, _port: int) -> trio.abc.Stream:
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self.serve, theirs)
        return ours

    async def serve(self, stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some():
            head, _, body = bytes(data).partition(b"\r\n\r\n")
            self.heads.append(head.split(b"\r\n"))
            self.bodies.append(body)
            await stream.send_all(ANSWER)

    nursery: trio.Nursery


def provider(url: str, **more: str) -> ModelProvider:
    return ModelProvider(name="p", type="ollama", url=url, headers=more)


async def asked(server: Server, method: str, body: bytes = b"", **headers: str) -> None:
    assert b"ok" == await server.ask(method, "/api/chat", body, headers=headers)


async def test_each_request_has_its_own_length_and_what_is_configured(autojump_clock: object) -> None:
    listener = Listener()
    spec = provider("http://127.0.0.1:11434/sub", **{"User-Agent": "mine", "x-team": "a"})
    async with trio.open_nursery() as listener.nursery:
        connect, source = listener.connect, random.Random(1)
        async with open_server(spec, Models(), kind="a server", source=source, connect=connect) as server:
            for body in (b"{}", b'{"a":1}', b""):
                await asked(server, "POST", body, accept="application/x-ndjson")
            await asked(server, "GET")
    assert [b"{}", b'{"a":1}', b"", b""] == listener.bodies
    first = {line.lower() for line in listener.heads[0]}
    assert {b"post /sub/api/chat http/1.1", b"host: 127.0.0.1:11434", b"content-length: 2", b"x-team: a"} < first
    assert {b"user-agent: mine", b"accept: application/x-ndjson", b"accept-encoding: identity"} < first
    assert len(first) == len({line.partition(b":")[0] for line in first})
    assert b"Content-Length: 7" == listener.heads[1][-1]
    assert b"Content-Length: 0" == listener.heads[2][-1]
    assert not any(line.lower().startswith(b"content-length") for line in listener.heads[3])


async def test_a_name_and_password_in_the_address_are_told_as_such(autojump_clock: object) -> None:
    listener = Listener()
    async with trio.open_nursery() as listener.nursery:
        connect, source, spec = listener.connect, random.Random(1), provider("http://us%40er:pa%3Ass@127.0.0.1:11434")
        async with open_server(spec, Models(), kind="a server", source=source, connect=connect) as server:
            await asked(server, "POST", b"{}")
    lines = [line.lower() for line in listener.heads[0]]
    assert b"authorization: basic dXNAZXI6cGE6c3M=".lower() in lines


async def test_headers_of_a_request_are_those_of_that_request(autojump_clock: object) -> None:
    listener = Listener()
    async with trio.open_nursery() as listener.nursery:
        connect, source, spec = listener.connect, random.Random(1), provider("http://127.0.0.1:11434")
        async with open_server(spec, Models(), kind="a server", source=source, connect=connect) as server:
            for number in range(200):
                await asked(server, "POST", b"{}", beta=str(number))
    told = [next(line for line in head if line.startswith(b"beta")) for head in listener.heads]
    assert [b"beta: %d" % number for number in range(200)] == told
