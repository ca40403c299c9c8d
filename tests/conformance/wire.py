"""One raw request and what the contract wants of the answer, for the tables of check_wire_*.py."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from tests.clients.asking import Doors

_SECONDS = 20


class Answer(msgspec.Struct, frozen=True):
    """Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def lines(self) -> list[Any]:
        """The objects of an NDJSON stream; a blank line is an error."""
        return [json.loads(line) for line in self.body.decode().removesuffix("\n").split("\n")]

    @property
    def frames(self) -> list[Any]:
        """The data of a stream of server-sent events, without comments and `[DONE]`."""
        parts = self.body.decode().split("\n\n")
        assert parts[-1] == "", "an event does not end in an empty line"
        data = [line[6:] for part in parts for line in part.split("\n") if line.startswith("data: ")]
        return [json.loads(each) for each in data if each != "[DONE]"]


class Row(msgspec.Struct, frozen=True):
    """A row of the contract: a request, the status it gets, and what else must hold of the answer.

    `body` is sent as JSON, bytes as they are. `script` rows need the obliging model.
    """

    name: str
    path: str
    body: Any = None
    status: int = 200
    holds: Callable[[Answer], object] = bool
    method: str = ""
    headers: Mapping[str, str] = {}
    door: Literal["ollama", "native"] = "ollama"
    script: bool = False

    def ask(self, doors: Doors) -> Answer:
        place = urlsplit(doors.ollama if self.door == "ollama" else doors.native)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=_SECONDS)
        body = self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()
        try:
            method = self.method or ("GET" if body is None else "POST")
            connection.request(method, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()


def play(*steps: list[Any]) -> list[dict[str, Any]]:
    """Messages that tell the obliging model what to answer."""
    return [{"role": "user", "content": f"play: {json.dumps(steps)}"}]
