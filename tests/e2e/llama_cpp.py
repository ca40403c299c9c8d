"""A real llama.cpp server, built once in `.cache/`, with a model that the tests make themselves.

It is taken from `THANE_E2E_LLAMA_CPP` (a virtual environment that has `llama-cpp-python[server]` and `gguf`), else
installed with pip, which builds it: that needs a compiler and takes some minutes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.installed import environment, run
from tests.e2e.program import end, fetch, free_port, wait_until

MODEL = "tiny"


def _install(venv: Path, pins: Path) -> None:
    run(sys.executable, "-m", "venv", "--clear", venv, folder=venv.parent)
    pip = (venv / "bin/python", "-m", "pip", "install", "--quiet", "-r", pins)
    run(*pip, folder=venv.parent, CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF")


@contextmanager
def running(folder: Path, *, embedding: bool = False) -> Generator[str]:
    """URL of a llama.cpp server that has the model `MODEL`: random weights, 65,536 tokens of context.

    With `embedding` it is for embeddings, and has 512 tokens.
    """
    python, port = str(environment("llama-cpp", _install) / "bin/python"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "tiny.gguf", folder / "llama-cpp.log"
    subprocess.run([python, str(Path(__file__).with_name("tiny_gguf.py")), str(path)], check=True)
    command = [python, "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", str(port)]
    context = ["--n_ctx", "512", "--embedding", "true"] if embedding else ["--n_ctx", "65536"]
    command += ["--model", str(path), "--model_alias", MODEL, *context, "--interrupt_requests", "false"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        wait_until("llama.cpp answers", lambda: fetch(f"{url}/models"), seconds=60)
        yield url
    finally:
        end(process)
