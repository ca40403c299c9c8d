"""Thane as a process of its own, thinking with the obliging model or with its embedded brain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
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
# Some of these tests send requests by the hundred from one address, and want to see their own errors and not those of a
# house that is full.
_SETTINGS: dict[str, Any] = {"logging": {"level": "info"}}


@contextmanager
def obliging_model() -> Generator[str]:
    """URL of the model server, for as long as the context lasts."""
    port = program.free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "thane.testing.obliging_model", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until("the model server answers", lambda: program.fetch(f"{url}/api/version"))
        yield url
    finally:
        program.end(process)


@contextmanager
def running(brain: Brain, folder: Path) -> Generator[Program]:
    """Thane with this brain and its data in `folder`."""
    if brain == "embedded":
        with program.running(folder, _SETTINGS) as thane:
            yield thane
        return
    with obliging_model() as url:
        settings = _SETTINGS | {
            "models": {"default": "obliging:1b", "ollama_url": url},
            "embeddings": {"enabled": True, "model": "vectors:1b"},
        }
        with program.running(folder, settings) as thane:
            yield thane
