"""The README's `./scripts/just run`, for real: it becomes Thane's own process, so signals and exit code are Thane's."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import fetch, free_port, wait_until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_wrapper_ends_thane_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(f"listen: {{port: {port}}}\nollama_api: {{enabled: false}}\ndata_dir: {tmp_path / 'data'}\n")
    command = [str(ROOT / "scripts" / "just"), "run", "--config", str(config)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        wait_until("/health", lambda: fetch(f"http://127.0.0.1:{port}/health"), seconds=120)
        assert b"thane" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(number)
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0, log.decode()
    finally:
        process.kill()
        process.wait()
