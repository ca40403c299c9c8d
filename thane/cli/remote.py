"""A running Thane as the commands reach it: where it is, the key, and its errors as sentences.

Not here: what is asked of it (`ask`, `tail`, `status`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx2
import msgspec
from cyclopts import Parameter

from thane.errors import ConfigurationError, DependencyError

type Url = Annotated[str, Parameter(env_var="THANE_URL", help="Where Thane listens.")]
type Key = Annotated[str, Parameter(env_var="THANE_KEY", help="A key of `auth.keys`.", show_default=False)]

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_SECONDS = 10.0
"""Longest wait for a connection, and for an answer that needs no model."""


class Remote(msgspec.Struct, frozen=True):
    """`url` has a scheme and no slash at its end; `key` is "" where none is needed."""

    url: str
    key: str = ""

    @classmethod
    def at(cls, url: str, key: str = "") -> Remote:
        """From what a person writes: `localhost:8080` will do."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"--url {url}: write where Thane listens, as in {DEFAULT_URL}")
        return cls(urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")), key)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def websocket(self, path: str, query: list[tuple[str, str]]) -> str:
        """The WebSocket address of `path`."""
        return f"ws{self.url.removeprefix('http')}{path}" + (f"?{urlencode(query)}" if query else "")

    def refused(self, status: int, body: bytes) -> DependencyError:
        """What a status of 400 or more means for the person at the terminal."""
        said = _message(body)
        if status == 401:
            said = "it wants a key; give one of its auth.keys with --key or in THANE_KEY"
        elif status == 404 and not said:
            said = "there is no such thing there; is it Thane?"
        return DependencyError(
            f"{self.url} refused ({status}): {said or 'it does not say why'}", dependency="thane", temporary=False
        )

    def not_thane(self, path: str) -> DependencyError:
        """What answers at `path` is not what Thane answers."""
        return DependencyError(f"what {self.url}{path} answers is not Thane's", dependency="thane", temporary=False)

    def unreachable(self, error: BaseException) -> DependencyError:
        why = str(error) or (str(error.__cause__) if error.__cause__ else "") or type(error).__name__
        return DependencyError(f"there is no answer from {self.url} ({why}); is Thane running?", dependency="thane")


@asynccontextmanager
async def client(
    remote: Remote, *, answer_seconds: float | None = TIMEOUT_SECONDS
) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client for `remote`; what cannot be reached raises DependencyError. None waits for ever for an answer."""
    timeout = httpx2.Timeout(TIMEOUT_SECONDS, read=answer_seconds)
    try:
        async with httpx2.AsyncClient(base_url=remote.url, headers=remote.headers(), timeout=timeout) as opened:
            yield opened
    except httpx2.TransportError as error:
        raise remote.unreachable(error) from error


async def get(opened: httpx2.AsyncClient, remote: Remote, path: str, **query: str) -> dict[str, Any]:
    """The JSON object at `path`."""
    response = await opened.get(path, params=query)
    if response.status_code >= 400:
        raise remote.refused(response.status_code, response.content)
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise remote.not_thane(path) from error


def _message(body: bytes) -> str:
    """The message of an error in the native form, or in Ollama's, or ""."""
    try:
        error = msgspec.json.decode(body, type=dict[str, Any]).get("error", "")
    except msgspec.DecodeError:
        return ""
    return str(error.get("message", "")) if isinstance(error, dict) else str(error)
