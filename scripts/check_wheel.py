"""Builds the wheel, installs it in an empty environment elsewhere, starts Thane from there, looks at it and ends it.

`just wheel` runs this. What it holds: the wheel carries everything that Thane needs, the dashboard's files too; nothing
is read from the checkout; SIGTERM ends it with code 0. Ends with code 1 and a sentence where something is wrong.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
STOP_SECONDS = 20


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """What the command printed. Ends the check where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    line = [str(part) for part in command]
    done = subprocess.run(line, check=False, cwd=folder, env=environment, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, built by the locked hatchling of this environment."""
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> Path:
    """The `thane` command of a new environment that holds the wheel and, in the locked versions, what it depends on."""
    run("uv", "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    run("uv", "pip", "install", "--quiet", "--python", python, "-c", ROOT / "requirements" / "runtime.txt", wheel)
    return environment / "bin" / "thane"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> str:
    """The first answer of `url`."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            return page(url)
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer within {START_SECONDS} s")


def look(url: str, ollama: str, thane: Path, folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Ask for what a person would: health, the dashboard with each file that it names, the Ollama port, an answer."""
    assert '"status"' in wait_for(f"{url}/health", process)
    dashboard = page(f"{url}/")
    assert "<html" in dashboard, "the dashboard is not a page"
    files = sorted(set(re.findall(r'(?:src|href)="(/[^"#?]+\.(?:js|css|svg)[^"]*)"', dashboard)))
    assert any(".css" in name for name in files), f"the dashboard names no style sheet: {files}"
    for name in files:
        assert page(url + name), f"{name} is empty"
    assert page(ollama) == "Ollama is running"
    answer = run(thane, "ask", "--url", url, "turn on the kitchen lights", folder=folder)
    assert answer.strip(), "there was no answer to `thane ask`"
    print(f"thane ask: {answer.strip()}\n{len(files)} files of the dashboard: {' '.join(files)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        thane = install(build(folder / "dist"), folder / "environment")
        place = folder / "elsewhere"
        place.mkdir()
        native, ollama = free_port(), free_port()
        (place / "config.yaml").write_text(
            f"listen: {{port: {native}}}\nollama_api: {{port: {ollama}}}\ndata_dir: {place / 'data'}\n"
        )
        print(run(thane, "check", folder=place), end="")
        log = place / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([thane, "serve"], cwd=place, stdout=output, stderr=output)
            try:
                look(f"http://127.0.0.1:{native}", f"http://127.0.0.1:{ollama}", thane, place, process)
                process.send_signal(signal.SIGTERM)
                code = process.wait(STOP_SECONDS)
                assert code == 0, f"it ended with {code} after SIGTERM"
            except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                sys.exit(f"The installed wheel: {error}\n{log.read_text()}")
            finally:
                process.kill()
                process.wait()
    print("The wheel works in an empty environment.")


if __name__ == "__main__":
    main()
