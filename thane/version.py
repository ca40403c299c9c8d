"""Which Thane this is: its version, and in a checkout the commit, read from git's own files without running git."""

from __future__ import annotations

import platform
from pathlib import Path

import msgspec

import thane


class Version(msgspec.Struct, frozen=True):
    """What `/v1/version` tells. Unknown parts are ""."""

    version: str
    git_commit: str
    git_branch: str
    build_time: str
    python_version: str
    os: str
    arch: str


def read_version(checkout: Path = Path(thane.__file__).parents[1]) -> Version:
    """The version of this program; commit and branch when it runs from a git checkout."""
    commit, branch = _git_head(checkout / ".git")
    return Version(
        version=thane.__version__,
        git_commit=commit,
        git_branch=branch,
        build_time="",
        python_version=platform.python_version(),
        os=platform.system().lower(),
        arch=platform.machine(),
    )


def _git_head(folder: Path) -> tuple[str, str]:
    """Commit and branch by gitrepository-layout(5); ("", "") where there is no readable repository."""
    try:
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head, ""
        ref = head.removeprefix("ref: ")
        branch = ref.removeprefix("refs/heads/")
        loose = folder / ref
        if loose.is_file():
            return loose.read_text().strip(), branch
        for line in (folder / "packed-refs").read_text().splitlines():
            if line.endswith(f" {ref}"):
                return line.split(" ")[0], branch
    except OSError:
        return "", ""
    return "", branch
