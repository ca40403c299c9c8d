"""Everything that a model server can do wrong, in all three protocols, before the real program as a process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest
import trio

from tests.e2e import program
from tests.e2e.program import Program
from thane.testing.fake_anthropic import open_fake_anthropic
from thane.testing.fake_ollama import open_fake_ollama
from thane.testing.fake_openai import open_fake_openai
from thane.testing.fake_server import FakeModel, FakeServer
from thane.testing.script import Cut, Fail, Raw, Reply, Say, Stop, Wait, answer

pytestmark = pytest.mark.e2e

PROTOCOLS = ("ollama", "openai", "anthropic")
HALF = Say(("Half ",))
WHOLE = answer("All ", "well.")


class Fault:
    """What a server does first, and what then comes of a turn that asks for its model by name: a text or an error that
    holds `words`, after so many calls; and whether another model may answer instead, where one is allowed to."""

    def __init__(self, *replies: Reply, words: str, calls: int = 1, fails: bool = True, spoke: bool = False) -> None:
        self.replies = replies
        self.words = words
        self.calls = calls
        self.fails = fails
        self.spoke = spoke


FAULTS = {
    "429, then well": Fault(
        Reply(status=429, error="slow down", retry_after=1), words="All well.", calls=2, fails=False
    ),
    "429 for longer than a turn waits": Fault(
        Reply(status=429, error="slow down", retry_after=60), words="is busy (HTTP 429)"
    ),
    "500, then well": Fault(Reply(status=500, error="broke"), words="All well.", calls=2, fails=False),
    "500 twice": Fault(*[Reply(status=500, error="broke")] * 2, words="failed (HTTP 500)", calls=2),
    "silent from the start": Fault(Reply((Wait(),)), words="1 s"),
    "silent in the middle": Fault(Reply((HALF, Wait())), words="1 s", spoke=True),
    "cut at the start": Fault(Reply(cut_before_head=True), words="closed the connection"),
    "cut in the middle": Fault(Reply((HALF, Cut())), words="closed the connection", spoke=True),
    "without its end mark": Fault(Reply((HALF,)), words="complete", spoke=True),
    "an error in the stream": Fault(Reply((HALF, Fail("out of memory"))), words="out of memory", spoke=True),
    "garbage": Fault(Reply((HALF, Raw(b"data: <html>\n\n<html>\n\n"))), words="", spoke=True),
    "a slow trickle": Fault(Reply((Say(("All ", "well", "."), interval=0.7), Stop())), words="All well.", fails=False),
    "counts that can be none": Fault(
        Reply((Say(("All ", "well.")), Stop(prompt_tokens=-1, output_tokens="many"))), words="All well.", fails=False
    ),
}


class Stage:
    """The three servers, and the program before them."""

    def __init__(self, thane: Program, servers: dict[str, FakeServer]) -> None:
        self.thane = thane
        self.servers = servers

    async def ask(self, model: str) -> tuple[str, str]:
        """(What was said, what error ended it) of a streamed answer."""
        return await trio.to_thread.run_sync(self._ask, model)

    def _ask(self, model: str) -> tuple[str, str]:
        body = {"model": model, "messages": [{"role": "user", "content": "explain it"}], "stream": True}
        request = Request(f"{self.thane.native}/v1/chat/completions", msgspec.json.encode(body))
        said, error = "", ""
        try:
            with urlopen(request, timeout=20) as lines:
                for event in events(lines):
                    error = event["error"]["message"] if "error" in event else error
                    said += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
        except HTTPError as refused:
            with refused:
                error = msgspec.json.decode(refused.read())["error"]["message"]
        return said, error

    async def get(self, path: str) -> Any:
        return await trio.to_thread.run_sync(self.thane.get, path)


def events(lines: Iterator[bytes]) -> Iterator[Any]:
    for line in lines:
        if line.startswith(b"data: ") and b"[DONE]" not in line:
            yield msgspec.json.decode(line[6:])


@asynccontextmanager
async def stage(folder: Path, **settings: Any) -> AsyncGenerator[Stage]:
    async with AsyncExitStack() as stack:
        named = {protocol: (FakeModel(protocol),) for protocol in PROTOCOLS}
        servers: dict[str, FakeServer] = {
            "ollama": await stack.enter_async_context(open_fake_ollama(WHOLE, models=named["ollama"])),
            "openai": await stack.enter_async_context(open_fake_openai(WHOLE, models=named["openai"])),
            "anthropic": await stack.enter_async_context(open_fake_anthropic(WHOLE, models=named["anthropic"])),
        }
        models = {
            "default": "openai",
            "available": [{"name": name, "provider": f"a-{name}"} for name in PROTOCOLS],
            "first_token_timeout_seconds": 1,
            "idle_timeout_seconds": 1,
            "providers": [
                {"name": f"a-{name}", "type": name, "url": server.url, "api_key": "k", "local": True}
                for name, server in servers.items()
            ],
        }
        config = {"models": models, "brain": {"fast_path": False}, "routing": {"circuit_failures": 50}, **settings}
        running = program.running(folder, config)
        thane = await trio.to_thread.run_sync(running.__enter__)
        try:
            yield Stage(thane, servers)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(running.__exit__, None, None, None)


async def test_every_fault_of_every_protocol_has_its_outcome(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        for name, fault in FAULTS.items():
            for protocol, server in it.servers.items():
                where = f"{protocol}: {name}"
                before = server.counted(protocol)
                calls = before.calls + before.refused
                server.script(*fault.replies)
                said, error = await it.ask(protocol)
                assert fault.words in (error if fault.fails else said), where
                assert fault.fails == bool(error), where
                assert (said.strip() == "Half") == fault.spoke, where
                after = server.counted(protocol)
                assert fault.calls == after.calls + after.refused - calls, where
        usage = await it.get("/v1/telemetry/usage?group_by=provider")
        told = {group["provider"]: group for group in usage["groups"]}
        for protocol, server in it.servers.items():
            counted, entry = server.counted(protocol), told[f"a-{protocol}"]
            assert counted.calls + counted.refused == entry["requests"]


async def test_before_the_first_word_another_model_answers_and_after_it_none(tmp_path: Path) -> None:
    async with stage(tmp_path, profiles={"mine": {"model": "openai", "fallbacks": ["anthropic"]}}) as it:
        for name, fault in FAULTS.items():
            if not fault.fails:
                continue
            it.servers["openai"].script(*fault.replies)
            said, error = await it.ask("thane:mine")
            assert ("Half " in said) if fault.spoke else (said == "All well."), name
            assert fault.spoke == bool(error), name
            runs = await it.get("/v1/runs?limit=1")
            decision = await it.get(f"/v1/requests/{runs['recent'][0]['id']}/routing")
            wanted = "" if fault.spoke else "anthropic"
            assert wanted == (decision["model_answered"] if decision["success"] else ""), name
