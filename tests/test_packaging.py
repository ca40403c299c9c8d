"""Holds the locked requirements and the wheel to what the project says of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pins(name: str) -> dict[str, str]:
    """Package and version of each line of a locked file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_hashes_and_no_file_names_a_registry_or_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.partition("just lock\n")[2])
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://\S+|file:\S+|(?<!\w)/\w+/\S+|--\w*index\S*|--find-links", text) == []


def test_the_locked_files_agree_and_dev_contains_the_others() -> None:
    dev = pins("dev")
    assert pins("runtime").items() <= dev.items()
    assert pins("build").items() <= dev.items()


@pytest.mark.parametrize(("source", "lock"), [("bootstrap", "bootstrap"), ("build", "build"), ("dev", "dev")])
def test_a_lock_holds_what_its_source_asks_for(source: str, lock: str) -> None:
    lines = (ROOT / "requirements" / f"{source}.in").read_text(encoding="utf-8").splitlines()
    assert unmet([line for line in lines if line and not line.startswith("#")], lock) == []


def test_the_runtime_lock_holds_what_the_package_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert unmet(project["project"]["dependencies"], "runtime") == []
    assert unmet(project["build-system"]["requires"], "build") == []


def unmet(requirements: list[str], lock: str) -> list[str]:
    locked = pins(lock)
    wanted = [Requirement(line) for line in requirements]
    return [
        f"{each}: run `just lock`" for each in wanted if not each.specifier.contains(locked.get(each.name, "0.dev0"))
    ]


def test_the_wheel_holds_the_package_and_the_dashboards_files_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    web = {f"thane/web/{name}" for name in tracked("web")}
    package = set(tracked("thane", keep_folder=True))
    assert web | package <= names
    assert {name for name in names if not name.startswith(("thane/", "thane-"))} == set()


def tracked(folder: str, *, keep_folder: bool = False) -> list[str]:
    """Files of a folder that git knows, relative to it."""
    listing = subprocess.run(["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name if keep_folder else name.removeprefix(f"{folder}/") for name in listing.splitlines()]
