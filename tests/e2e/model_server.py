"""The scripted model server as a process of its own, for tests with the real program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from tests.e2e import program


@contextmanager
def model_server(*, tokens: int, interval: float, first: float = 0.0) -> Generator[str]:
    """URL of a model server whose every answer has `tokens` words, `interval` seconds apart."""
    port = program.free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "thane.testing.fake_ollama", "--port", str(port)),
            *("--tokens", str(tokens), "--interval", str(interval), "--first", str(first)),
        ],
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until("the model server answers", lambda: program.fetch(f"{url}/api/version"))
        yield url
    finally:
        program.end(process)
