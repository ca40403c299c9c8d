"""The tests of openai-python's source package: brought when they are needed, never kept in this repository.

They are generated from OpenAI's own description of its API and check that each answer has the declared types, in strict
mode too. The version and its hash are those of requirements/conformance.txt.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FILES = (
    "tests/api_resources/chat/test_completions.py",
    "tests/api_resources/test_completions.py",
    "tests/api_resources/test_embeddings.py",
    "tests/api_resources/test_models.py",
    "tests/api_resources/test_responses.py",
)
"""What Thane serves. The other files are of resources that it has not (files, images, audio, batches, vector stores,
fine-tuning, evaluations, realtime, administration and so on)."""


def pinned() -> tuple[str, str]:
    """The lines of requirements/conformance.txt that pin openai, and its version."""
    text = (ROOT / "requirements" / "conformance.txt").read_text()
    found = re.search(r"^openai==(\S+) \\\n(?:    --hash=\S+(?: \\)?\n)+", text, re.MULTILINE)
    assert found, "requirements/conformance.txt does not pin openai"
    return found[0], found[1]


def brought(cache: Path) -> Path:
    """The unpacked source package in this folder; it is fetched the first time, and again for a new version."""
    pin, version = pinned()
    folder = cache / f"openai-{version}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        requirement = cache / "openai-source.txt"
        requirement.write_text(pin)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        options = ["--no-binary", "openai", "--require-hashes", "-r", str(requirement), "-d", str(cache)]
        subprocess.run([*command, *options], check=True)
        unpacked = cache / f"openai-{version}.new"
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(cache / f"openai-{version}.tar.gz") as archive:
            archive.extractall(unpacked, filter="data")
        (unpacked / f"openai-{version}").rename(folder)
        shutil.rmtree(unpacked)
    return folder


def arguments() -> Sequence[str]:
    """For pytest: the files, and the plugin that says which of their tests are left out, and why."""
    return [*_FILES, "-p", "openai_plugin", "-o", "python_files=test_*.py"]
