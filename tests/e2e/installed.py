"""Programs of others, each in a virtual environment of its own, made once in `.cache/` and used while its pins hold."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(name: str, install: Callable[[Path, Path], None]) -> Path:
    """The virtual environment that has the program `name`, whose versions are in `NAME.txt` beside this.

    `install` is given where to make it and the file of pins, if there is none yet. `THANE_E2E_NAME` names one that
    was made by somebody else.
    """
    if given := os.environ.get(f"THANE_E2E_{name.upper().replace('-', '_')}"):
        return Path(given)
    pins, venv = Path(__file__).with_name(f"{name}.txt"), cache(name) / "venv"
    stamp = venv / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != pins.read_text():
        install(venv, pins)
        stamp.write_text(pins.read_text())
    return venv


def cache(name: str) -> Path:
    """A folder that stays between tests."""
    folder = ROOT / ".cache" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(*command: str | Path, folder: Path, **environ: str) -> None:
    """Run a command in this folder, where nothing else says which Python it is to take; it must succeed."""
    subprocess.run([str(each) for each in command], check=True, cwd=folder, env=os.environ | environ)
