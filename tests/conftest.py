"""What tests of more than one room share."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog


@pytest.fixture
def process_as_before() -> Iterator[None]:
    """Undo what configuring logs and serving change for the whole process."""
    root = logging.getLogger()
    before = root.handlers, root.level, sys.getswitchinterval(), gc.get_threshold()
    yield
    structlog.reset_defaults()
    root.handlers, root.level = before[:2]
    sys.setswitchinterval(before[2])
    gc.set_threshold(*before[3])
    gc.unfreeze()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB; mounting one needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
