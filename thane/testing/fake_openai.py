"""A scripted OpenAI-compatible server, as `fake_ollama` is one of Ollama's: `/v1/chat/completions`, `/v1/embeddings`,
`/v1/models`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from thane.testing.fake_server import FakeModel, FakeServer, Request, as_json, serving_fake, vector_of
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
        if request.path == "/v1/embeddings":
            return self._embedded(request.body)
        if request.path != "/v1/models":
            return as_json(404, {"detail": "Not Found"})
        entries = [
            {"id": model.name, "object": "model", "owned_by": "fake", **self.listing.get(model.name, {})}
            for model in self.models
        ]
        return as_json(200, {"object": "list", "data": entries})

    def _embedded(self, body: JSON) -> bytes:
        """The vectors of `vector_of`, the last first: what order they are in is told by `index`."""
        model = next((each for each in self.models if each.name == body["model"]), None)
        if model is None or "embedding" not in model.capabilities:
            said = "does not exist" if model is None else "makes no embeddings"
            return as_json(404 if model is None else 400, self.error(404, f"The model `{body['model']}` {said}."))
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(text)}
            for index, text in enumerate(body["input"])
        ]
        counts = self.counted(model.name)
        tokens = sum(map(len, body["input"]))
        counts.calls += 1
        counts.finished += 1
        counts.input_tokens += tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return as_json(200, {"object": "list", "data": data[::-1], "model": model.name, "usage": usage})


@asynccontextmanager
async def open_fake_openai(
    default: Reply | None = None, *, models: tuple[FakeModel, ...] = (FakeModel("gpt-oss"),), port: int = 0
) -> AsyncGenerator[FakeOpenAI]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with serving_fake(FakeOpenAI(default, models), port) as fake:
        yield fake
