"""Thane as a process of its own, thinking with the obliging model or with its embedded brain."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.e2e import program
from tests.e2e.program import Program

type Brain = Literal["fake", "embedded"]

BRAINS: dict[Brain, str] = {
    "fake": "a scripted model server (`thane.testing.obliging_model`)",
    "embedded": "the embedded brain, with no model",
}
# Thane's own environment. The suites' one has not Thane in it, and other versions of what Thane needs.
_PYTHON = str(Path(__file__).parents[2] / ".venv" / "bin" / "python")
PING_SECONDS = 1.0
"""After how much silence a heartbeat comes."""
# One check has the model fail; the next one asks it again at once.
_SETTINGS: dict[str, Any] = {"routing": {"circuit_failures": 1_000_000}, "events": {"ping_seconds": PING_SECONDS}}
# Those that openai-python's own tests ask for.
_MODELS = ("gpt-6-astra", "gpt-3.5-turbo-instruct", "ft:gpt-4o-mini:acemeco:suffix:abc123")
_EMBEDDING_MODELS = ("text-embedding-3-small",)


@contextmanager
def obliging_model() -> Generator[str]:
    """URL of the model server, for as long as the context lasts."""
    port = program.free_port()
    more = [*(f"--model={name}" for name in _MODELS), *(f"--embedding-model={name}" for name in _EMBEDDING_MODELS)]
    process = subprocess.Popen(
        [_PYTHON, "-m", "thane.testing.obliging_model", "--port", str(port), *more], stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until("the model server answers", lambda: program.fetch(f"{url}/api/version"))
        yield url
    finally:
        program.end(process)


@contextmanager
def running(brain: Brain, folder: Path, more: Mapping[str, Any] = {}) -> Generator[Program]:
    """Thane with this brain and its data in `folder`, and `more` settings."""
    if brain == "embedded":
        with program.running(folder, {**_SETTINGS, **more}, python=_PYTHON) as thane:
            yield thane
        return
    with obliging_model() as url:
        settings = {
            **_SETTINGS,
            "models": {"default": "obliging:1b", "ollama_url": url},
            "embeddings": {"enabled": True, "model": "vectors:1b"},
            "facts": {"enabled": False},  # the model takes the tool that sounds most like what is asked: a client's own
            **more,
        }
        with program.running(folder, settings, python=_PYTHON) as thane:
            yield thane
