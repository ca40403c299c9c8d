"""Schemathesis: requests made from the OpenAPI documents, and whether the answers are what the documents say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

_EXAMPLES = 8
_SEED = 20261128
_REQUEST_SECONDS = "10"
_ENDLESS = ("/v1/events", "/v1/loops/events", "/api/loops/events")
"""Streams that end when the client leaves: tests/http has them."""
_FOR_BROWSERS = ("/live", "/static/{path}", "/dash/chat")
"""The dashboard's own, which speak HTML and WebSocket to its pages alone."""
_WEB_SOCKETS = ("/ws/events",)
"""Answered to nothing else: tests/http has them."""
_CONFIG = Path(__file__).with_name("schemathesis.toml")
_HOOKS = Path(__file__).with_name("schemathesis_hooks.py")


def environment() -> dict[str, str]:
    """The environment of that command."""
    return {"SCHEMATHESIS_HOOKS": str(_HOOKS)}


def command(url: str, report: Path) -> Sequence[str]:
    """The command that tries the document of the listener at `url`."""
    return [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", f"{url}/openapi.json"),
        *("--seed", str(_SEED), "--max-examples", str(_EXAMPLES), "--phases", "examples,coverage,fuzzing"),
        *("--request-timeout", _REQUEST_SECONDS, "--workers", "2", "--max-failures", "200"),
        *(part for path in _ENDLESS + _FOR_BROWSERS + _WEB_SOCKETS for part in ("--exclude-path", path)),
        *("--report", "junit", "--report-junit-path", str(report), "--no-shrink"),
    ]
