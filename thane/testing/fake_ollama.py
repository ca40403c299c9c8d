"""A scripted Ollama server for tests and benchmarks: it says and breaks what it is told to, and records who asked.

In a test::

    from thane.testing.ollama_script import Cut, Reply, Say, answer

    async with open_fake_ollama() as fake:
        fake.script(answer("It is ", "on."), Reply((Say(("Half",)), Cut())))
        async with open_ollama(fake.url, settings, ids) as provider: ...
        assert fake.requests[0].body["model"] == "qwen3:4b"
        assert fake.counts["qwen3:4b"].output_tokens == 2

`python -m thane.testing.fake_ollama --tokens 200` is the same server as a fast stand-in for benchmarks: lines are
encoded once and several leave in one write.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from thane.models.embeddings import normalised
from thane.testing.fake_server import (
    Connection,
    FakeModel,
    FakeServer,
    Request,
    as_json,
    serving_fake,
    vector_of,
    whole,
)
from thane.testing.ollama_script import OllamaLines
from thane.testing.script import Format, Reply, Say, Step, Stop, Wait

__all__ = ["Connection", "FakeModel", "FakeOllama", "Request", "open_fake_ollama", "vector_of"]

type JSON = dict[str, Any]


class FakeOllama(FakeServer):
    """See `FakeServer`. `open_fake_ollama` makes one that listens."""

    path = "/api/chat"

    def form(self) -> Format:
        return OllamaLines()

    def error(self, status: int, message: str) -> JSON:  # noqa: ARG002  the interface's
        return {"error": message}

    def fixed(self, request: Request) -> bytes:
        match request.path:
            case "/":
                answer = whole(200, b"Ollama is running", "text/plain; charset=utf-8")
            case "/api/version":
                answer = as_json(200, {"version": "0.32.7"})
            case "/api/tags":
                answer = as_json(200, {"models": [_tags_entry(model) for model in self.models]})
            case "/api/show":
                answer = self._shown(request.body.get("model") or request.body.get("name"))
            case "/api/generate":
                answer = self._loaded(request.body)
            case "/api/embed" | "/api/embeddings":
                answer = self._embedded(request.body, older=request.path == "/api/embeddings")
            case _:
                answer = whole(404, b"404 page not found", "text/plain")
        return answer

    def _shown(self, name: str) -> bytes:
        for model in self.models:
            if _same(model.name, name):
                return as_json(200, _show_answer(model))
        return as_json(404, {"error": f"model '{name}' not found"})

    def _loaded(self, body: JSON) -> bytes:
        """A model is loaded, or unloaded; one that says something is asked by `/api/chat` alone."""
        if body["model"] not in {model.name for model in self.models}:
            return as_json(404, {"error": f"model '{body['model']}' not found"})
        reason = "unload" if body.get("keep_alive") == 0 else "load"
        return as_json(200, {"model": body["model"], "response": "", "done": True, "done_reason": reason})

    def _embedded(self, body: JSON, *, older: bool) -> bytes:
        """The vectors of `vector_of`, by the newer path with length 1, as Ollama makes them."""
        model = next((each for each in self.models if _same(each.name, body["model"])), None)
        if model is None:
            return as_json(404, {"error": f'model "{body["model"]}" not found, try pulling it first'})
        if "embedding" not in model.capabilities:
            return as_json(501, {"error": "this model does not support embeddings"})
        if older:
            return as_json(200, {"embedding": vector_of(body["prompt"])})
        vectors = [normalised(vector_of(text)) for text in body["input"]]
        counts = {"total_duration": 2_000_000, "prompt_eval_count": 3}
        return as_json(200, {"model": model.name, "embeddings": vectors} | counts)


def _same(name: str, other: str) -> bool:
    """Whether both name one model: the tag `latest` may be left out."""
    return name.removesuffix(":latest") == other.removesuffix(":latest")


def _tags_entry(model: FakeModel) -> JSON:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": "2026-11-20T10:00:00.5+01:00",
        "size": 2_620_788_260,
        "digest": "e9" * 32,
        "details": {"format": "gguf", "family": "qwen3", "parameter_size": "4.0B", "quantization_level": "Q4_K_M"},
    }


def _show_answer(model: FakeModel) -> JSON:
    return {
        "details": {"family": "qwen3"},
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": model.context_tokens},
        "capabilities": list(model.capabilities),
    }


@asynccontextmanager
async def open_fake_ollama(
    default: Reply | None = None,
    *,
    models: tuple[FakeModel, ...] = (FakeModel("qwen3:4b"),),
    port: int = 0,
    record: bool = True,
) -> AsyncGenerator[FakeOllama]:
    """Run the server on loopback; leaving the context closes it and every connection. `port` 0 is any free one."""
    async with serving_fake(FakeOllama(default, models, record=record), port) as fake:
        yield fake


async def _main(arguments: argparse.Namespace) -> None:
    pieces = tuple(f" tok{index % 1000}" for index in range(arguments.tokens))
    steps: list[Step] = [Wait(arguments.first)] if arguments.first else []
    stop = Stop(output_tokens=len(pieces), decode_seconds=arguments.interval * len(pieces))
    reply = Reply((*steps, Say(pieces, arguments.interval), stop), burst=arguments.burst)
    async with open_fake_ollama(reply, port=arguments.port, record=False) as fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


def main() -> None:
    """Serve until interrupted; the first line of standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m thane.testing.fake_ollama", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tokens", type=int, default=20, help="tokens in each answer")
    parser.add_argument("--interval", type=float, default=0.0, help="seconds between tokens; 0 is as fast as possible")
    parser.add_argument("--first", type=float, default=0.0, help="seconds before the first token")
    parser.add_argument("--burst", type=int, default=8, help="tokens in one write when there is no interval")
    with suppress(KeyboardInterrupt):  # how it is meant to end
        trio.run(_main, parser.parse_args())


if __name__ == "__main__":
    main()
