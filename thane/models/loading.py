"""Loading a model into a server's memory, and out of it, without asking it anything: only Ollama has such a thing.

Source: Ollama's server/routes.go (GenerateHandler: an empty prompt). Not here: which model is meant (`thane.http`).
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import msgspec

from thane.turn import JSON

_encoder = msgspec.json.Encoder()

PATH = "/api/generate"


class LoadRequest(msgspec.Struct, frozen=True):
    """One model. 0 seconds take it out of memory, a negative number keeps it for ever, None is the server's default."""

    model: str
    keep_alive_seconds: float | None = None
    options: JSON = {}


@runtime_checkable
class Loader(Protocol):
    """A provider whose models are loaded and unloaded."""

    async def load(self, request: LoadRequest) -> None:
        """Returns when it is done. Raises `ModelError`. Cancelling closes the connection to the model server."""
        ...


def encode(request: LoadRequest) -> bytes:
    """The body of the request to Ollama."""
    body: dict[str, Any] = {"model": request.model, "stream": False}
    if (seconds := request.keep_alive_seconds) is not None:
        body["keep_alive"] = int(seconds) if seconds == int(seconds) else seconds
    if request.options:
        body["options"] = request.options
    return _encoder.encode(body)
