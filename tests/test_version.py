"""The version names the commit of a checkout, and is silent about git elsewhere."""

from __future__ import annotations

from pathlib import Path

import thane
from thane.version import read_version


def test_a_loose_ref_gives_commit_and_branch(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs/heads/main").write_text("a" * 40 + "\n")
    version = read_version(tmp_path)
    assert ("a" * 40, "main") == (version.git_commit, version.git_branch)


def test_a_packed_ref_gives_the_commit(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{'b' * 40} refs/heads/main\n")
    assert read_version(tmp_path).git_commit == "b" * 40


def test_a_detached_head_is_the_commit(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("c" * 40 + "\n")
    version = read_version(tmp_path)
    assert ("c" * 40, "") == (version.git_commit, version.git_branch)


def test_an_installed_thane_knows_its_version_and_no_commit(tmp_path: Path) -> None:
    version = read_version(tmp_path)
    assert (thane.__version__, "", "") == (version.version, version.git_commit, version.git_branch)
