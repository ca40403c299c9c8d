"""A scripted server of Anthropic's API, as `fake_ollama` is one of Ollama's: `/v1/messages`, `/v1/models`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from thane.testing.anthropic_script import AnthropicLines
from thane.testing.fake_server import FakeModel, FakeServer, Request, as_json, serving_fake
from thane.testing.script import Format, Reply

type JSON = dict[str, Any]

_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}


class FakeAnthropic(FakeServer):
    """See `FakeServer`. `listing` are fields that `/v1/models` adds to a model's entry, by the model's name."""

    listing: dict[str, JSON] = {}  # noqa: RUF012  replaced, never changed

    path = "/v1/messages"

    def form(self) -> Format:
        return AnthropicLines()

    def error(self, status: int, message: str) -> JSON:
        return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}

    def fixed(self, request: Request) -> bytes:
        if request.path != "/v1/models":
            return as_json(404, self.error(404, "Not Found"))
        entries = [
            {"type": "model", "id": model.name, "display_name": model.name, **self.listing.get(model.name, {})}
            for model in self.models
        ]
        return as_json(200, {"data": entries, "has_more": False, "last_id": entries[-1]["id"] if entries else None})


@asynccontextmanager
async def open_fake_anthropic(
    default: Reply | None = None, *, models: tuple[FakeModel, ...] = (FakeModel("claude-sonnet-4-5"),), port: int = 0
) -> AsyncGenerator[FakeAnthropic]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with serving_fake(FakeAnthropic(default, models), port) as fake:
        yield fake
