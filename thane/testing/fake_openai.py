"""A scripted OpenAI-compatible server, as `fake_ollama` is one of Ollama's: `/v1/chat/completions`, `/v1/models`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from thane.testing.fake_server import FakeModel, FakeServer, Request, as_json, serving_fake
from thane.testing.openai_script import OpenAILines
from thane.testing.script import Format, Reply

type JSON = dict[str, Any]


class FakeOpenAI(FakeServer):
    """See `FakeServer`. `reasoning` is the name under which it has its reasoning; `key` the one that it wants, if any.

    `listing` are fields that `/v1/models` adds to a model's entry, by the model's name.
    """

    path = "/v1/chat/completions"
    reasoning = "reasoning_content"
    listing: dict[str, JSON] = {}  # noqa: RUF012  replaced, never changed

    def form(self) -> Format:
        return OpenAILines(self.reasoning)

    def error(self, status: int, message: str) -> JSON:
        return {"error": {"message": message, "type": "invalid_request_error", "code": status}}

    def fixed(self, request: Request) -> bytes:
        if request.path != "/v1/models":
            return as_json(404, {"detail": "Not Found"})
        entries = [
            {"id": model.name, "object": "model", "owned_by": "fake", **self.listing.get(model.name, {})}
            for model in self.models
        ]
        return as_json(200, {"object": "list", "data": entries})


@asynccontextmanager
async def open_fake_openai(
    default: Reply | None = None, *, models: tuple[FakeModel, ...] = (FakeModel("gpt-oss"),), port: int = 0
) -> AsyncGenerator[FakeOpenAI]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with serving_fake(FakeOpenAI(default, models), port) as fake:
        yield fake
