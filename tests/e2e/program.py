"""The real program as a subprocess, on free ports and with its own data, for tests with real clients."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec
import yaml


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, body: object = None, *, method: str | None = None, token: str = "", timeout: float = 30) -> Any:
    """JSON of an HTTP answer. Raises URLError or HTTPError."""
    data = None if body is None else msgspec.json.encode(body)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = Request(url, data, headers, method=method)
    with urlopen(request, timeout=timeout) as answer:
        text = answer.read()
    return msgspec.json.decode(text) if text else None


def wait_until(what: str, check: Any, *, seconds: float = 30, pause: float = 0.05) -> Any:
    """The first truthy value of `check()`; connection errors count as not yet. Fails after `seconds`."""
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        try:
            if value := check():
                return value
        except (URLError, OSError) as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {seconds:g} s ({last})")


def end(process: subprocess.Popen[bytes], seconds: float = 15) -> int:
    """Ask a process to end, and make it; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@dataclass(frozen=True)
class Program:
    """A running Thane."""

    native: str
    ollama: str
    data: Path
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        return fetch(self.native + path)

    def conversations(self) -> list[dict[str, Any]]:
        return self.get("/v1/conversations")["conversations"]


@contextmanager
def running(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    args: Sequence[str] = (),
    python: str = sys.executable,
) -> Generator[Program]:
    """Start Thane with its data in `folder`; stop it with SIGTERM at the end and want exit code 0.

    `folder` may be that of an earlier run, whose data is then found again. A test may kill the process itself.
    """
    native, ollama = free_port(), free_port()
    config: dict[str, Any] = {
        "listen": {"port": native},
        "ollama_api": {"port": ollama},
        "data_dir": str(folder / "db"),
        **(settings or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "config.yaml", folder / "thane.log"
    path.write_text(yaml.safe_dump(config))
    with log.open("ab") as out:
        process = subprocess.Popen(
            [python, "-m", "thane", "serve", "--config", str(path), *args],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    if config["ollama_api"].get("port") == 0:  # the native one serves it
        ollama = native
    program = Program(f"http://127.0.0.1:{native}", f"http://127.0.0.1:{ollama}", folder / "db", log, process)
    try:

        def up() -> bool:
            assert process.poll() is None, f"Thane ended with {process.returncode}:\n{log.read_text()[-3000:]}"
            return bool(program.get("/health")) and bool(fetch(f"{program.ollama}/api/version"))

        wait_until("Thane answers", up)
        yield program
        if process.poll() is None:
            assert end(process) == 0, log.read_text()[-3000:]
    finally:
        end(process)
