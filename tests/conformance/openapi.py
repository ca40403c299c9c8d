"""Schemathesis: requests made from the OpenAPI documents, and whether the answers are what the documents say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

_EXAMPLES = 15
_SEED = 20261128
_CONFIG = Path(__file__).with_name("schemathesis.toml")


def command(url: str, report: Path) -> Sequence[str]:
    """The command that tries the document of the listener at `url`."""
    return [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", f"{url}/openapi.json"),
        *("--seed", str(_SEED), "--max-examples", str(_EXAMPLES), "--phases", "examples,coverage,fuzzing"),
        *("--report", "junit", "--report-junit-path", str(report), "--no-shrink"),
    ]
